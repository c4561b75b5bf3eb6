"""The map for other programs; `docs/map.md` documents every key."""

import json
import math
from typing import Any

import msgspec

from reluctant.records import SuccessMap, UsageError

SCHEMA = "reluctant.map/1"


def map_to_json(found: SuccessMap) -> str:
    """One JSON document, in ASCII; nan and ±inf are strings in it."""
    document = {"schema": SCHEMA, **msgspec.to_builtins(found)}
    document["trainings"], document["grid"] = found.trainings, found.grid
    return json.dumps(_plain(document), indent=2, allow_nan=False) + "\n"


def map_from_json(text: str) -> SuccessMap:
    """The map that was written.

    Raises:
        UsageError: If it is no such document, or of another schema.
    """
    try:
        document = json.loads(text)
        schema = document.get("schema") if isinstance(document, dict) else None
        if schema != SCHEMA:
            raise UsageError(
                f"the document has schema {schema!r}, but a map has {SCHEMA!r}: give "
                "the map.json that `reluctant map` wrote."
            )
        return msgspec.convert(document, SuccessMap, strict=False)
    except (json.JSONDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"this is no map: {error}.") from None


def _plain(value: Any) -> Any:
    """The same with "nan", "inf" and "-inf" for the numbers that JSON lacks."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value
