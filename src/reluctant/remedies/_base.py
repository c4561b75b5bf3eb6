"""What every remedy is."""

import abc
import re
from typing import ClassVar, final

from reluctant.records import Finding, Prescription, Trace


class Remedy(abc.ABC):
    """Turns a finding into changes. Proposes only; the lab applies and tries them.

    A concrete remedy is a frozen dataclass: its fields are its options, its docstring
    is its card, and `prescribe` is a pure function.
    """

    treats: ClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def prescribe(self, finding: Finding, trace: Trace) -> Prescription | None:
        """The changes for this finding, or None where the remedy does not apply."""

    @classmethod
    @final
    def name(cls) -> str:
        """The class name in kebab-case: an imperative."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()
