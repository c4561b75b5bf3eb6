"""ENS301 width-starved."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from reluctant.records import Confidence, Evidence, Finding, Severity, SuccessMap
from reluctant.rules._base import Blind, EnsembleRule
from reluctant.rules.ensemble._shares import Share, best, has_trained, shares


@dataclass(frozen=True)
class WidthStarved(EnsembleRule):
    """The network is so narrow that few starts succeed; a wider one is reliable.

    ## Why it stops training
    A narrow layer may hold a solution that few starts lead to. With more units some of
    them begin near what is needed, and the loss of one does not matter.

    ## How it is measured
    A map over widths. At each width the learning rate at which most seeds succeed, for
    widths differ in the rate that suits them. A width is starved where the interval of
    its probability lies wholly below that of a wider one, each interval widened for
    the number of rates among which the best was chosen.

    ## Sick
    ```python
    widths = [2, 32]
    ```

    ## Healthy
    ```python
    widths = [16, 32]
    ```

    ## Blind spots
    Widths that were not tried; a map over one width says nothing.

    ## Options
    - `error`: How often two equal widths may be told apart by chance, at most.
    - `suspicious`: So large a difference that is not sure is not called clear.

    ## References
    - [Wilson1927] Probable inference, the law of succession, and statistical inference.
    """

    error: float = 0.05
    suspicious: float = 0.25

    code = "ENS301"
    severity = Severity.WARNING
    since = "0.1.0"

    def check(self, found: SuccessMap) -> Iterator[Finding]:
        """Yield one finding if a wider network is surely more reliable."""
        groups = _by_width(found)
        if not groups:
            raise Blind("no two widths were trained of which one succeeded")
        starved: list[tuple[_Width, _Width]] = []
        unsure = 0.0
        for widths in groups:
            for narrow in widths:
                for wide in (w for w in widths if w.units > narrow.units):
                    low = wide.top.interval(1 - self.error / wide.tried)[0]
                    high = narrow.top.interval(1 - self.error / narrow.tried)[1]
                    if high < low:
                        starved.append((narrow, wide))
                        break  # the least width that helps
                    unsure = max(unsure, wide.top.value - narrow.top.value)
        if not starved:
            if unsure > self.suspicious:
                raise Blind(
                    f"a wider network succeeds {unsure:.0%} more often, but with so "
                    "few seeds that may be chance"
                )
            return
        narrow, wide = min(starved, key=lambda pair: pair[0].top.value)
        yield self.finding(
            f"{narrow.top.good} of {narrow.top.n} seeds succeed at {narrow.name}, "
            f"{wide.top.good} of {wide.top.n} at {wide.name}, each at its best rate",
            evidence=tuple(
                Evidence(
                    quantity="success_probability",
                    site=thin.name,
                    step=-1,
                    value=thin.top.value,
                    limit=broad.top.interval(1 - self.error / broad.tried)[0],
                    note=f"limit: lower end of the interval at {broad.name}",
                )
                for thin, broad in starved
            ),
            since_step=0,
            confidence=Confidence.HIGH,
        )


class _Width(NamedTuple):
    """One width at its best learning rate."""

    units: float
    name: str
    top: Share
    tried: int


def _by_width(found: SuccessMap) -> list[list[_Width]]:
    """Widths that differ in nothing else, where one of them succeeded."""
    groups: dict[tuple[tuple[str, str], ...], list[_Width]] = defaultdict(list)
    succeeded = set()
    for part in found.slices:
        units, top = part.setting.get("width"), best(part)
        if not isinstance(units, int | float) or top is None:
            continue
        rest = tuple((k, str(v)) for k, v in part.setting.items() if k != "width")
        name = ", ".join(f"{k}={v}" for k, v in part.setting.items())
        groups[rest].append(_Width(units, name, top, len(shares(part))))
        if has_trained(part):
            succeeded.add(rest)
    return [
        sorted(widths)
        for rest, widths in groups.items()
        if rest in succeeded and len(widths) > 1
    ]
