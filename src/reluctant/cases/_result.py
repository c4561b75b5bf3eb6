"""What a case has to tell."""

from typing import Any

import msgspec

from reluctant.records import Figure


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """One case, run.

    Attributes:
        name: Of the case.
        story: Paragraphs, with the numbers in them.
        numbers: The same numbers, as JSON can hold them; null where there is none.
        figures: What the story shows.
    """

    name: str
    story: tuple[str, ...]
    numbers: dict[str, Any]
    figures: tuple[Figure, ...]
