"""What every remedy is."""

import abc
import re
from typing import ClassVar, final

from reluctant.records import Finding, Prescription, Trace


class Remedy(abc.ABC):
    """Turns a finding into changes. Proposes only; the lab applies and tries them.

    A concrete remedy is a frozen dataclass: its fields are its options, its docstring
    is its card, and `prescribe` is a pure function.

    Attributes:
        treats: Codes of the findings under which a diagnosis names it.
        may_treat: Codes of further findings for which `treat` tries it; `"*"` for a
            training that fails whatever was found, then it gets a finding without code.
    """

    treats: ClassVar[tuple[str, ...]]  # findings under which a diagnosis names it
    may_treat: ClassVar[
        tuple[str, ...]
    ] = ()  # findings for which a trial also tries it

    @abc.abstractmethod
    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """The changes for this finding, or None where the remedy does not apply."""

    @classmethod
    @final
    def name(cls) -> str:
        """The class name in kebab-case: an imperative."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


def measured(finding: Finding) -> str:
    """By which quantity it was found, where a rule knows several faults; or `""`."""
    return finding.evidence[0].quantity if finding.evidence else ""
