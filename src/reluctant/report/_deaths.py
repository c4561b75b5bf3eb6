"""Death certificates in words: units with the same fate share a line."""

from collections.abc import Iterable, Iterator, Sequence

from reluctant.records import DeathCertificate
from reluctant.report._page import names, printable

_MOST_UNITS = 8


def deaths(certificates: Iterable[DeathCertificate]) -> Iterator[str]:
    """One sentence for all units of a layer that share their fate, most units first."""
    groups: dict[object, list[DeathCertificate]] = {}
    for c in certificates:
        fate = tuple((r.way, r.outcome) for r in c.revivals)
        has_died, is_known = bool(c.died), c.bound == c.bound
        key = c.site, c.is_proven, is_known, c.is_whole, has_died, fate
        groups.setdefault(key, []).append(c)
    for group in sorted(groups.values(), key=len, reverse=True):
        yield _sentence(group)


def _sentence(group: Sequence[DeathCertificate]) -> str:
    group = sorted(group, key=lambda c: (c.since_step, c.unit))
    first, them = group[0], "it" if len(group) == 1 else "them"
    units = names([c.unit for c in group], _MOST_UNITS)
    fewest = min(c.samples for c in group)
    parts = [
        f"{'unit' if len(group) == 1 else 'units'} {units} of {printable(first.site)} "
        f"fired on 0 of {fewest:,.0f} samples"
        + (", all the data" if first.is_whole else "")
    ]
    top = max(c.bound for c in group)
    if first.is_proven:
        parts.append(f"no input in the range seen can fire {them} (at most {top:.3g})")
    elif top == top:
        parts.append(f"an input that was not seen might still fire {them}")
    else:
        parts.append(f"whether an unseen input could fire {them} is not known")
    if first.died:
        last = group[-1].died
        told = f"at {first.died}"
        parts.append(
            f"died {told if last == first.died else f'between {told[3:]} and {last}'}"
        )
    else:
        parts.append("silent since before the first step")
    waking = [f"{r.way} ({r.reason})" for r in first.can_wake]
    unknown = [r.way for r in first.unknown]
    if waking:
        parts.append(f"can still be woken by {' and by '.join(waking)}")
    elif not unknown:
        parts.append(f"nothing can wake {them}: {_barred(first)}")
    if unknown:
        parts.append(f"not known of {' and '.join(unknown)}")
    return printable("; ".join(parts))


def _barred(certificate: DeathCertificate) -> str:
    told = [r for r in certificate.revivals if r.way != "its own gradient"]
    return ", ".join(f"not {r.way} ({r.reason})" for r in told)
