"""The map for other programs; `docs/map.md` documents every key."""

import json

import msgspec

from reluctant.diagnosis import diagnose_map
from reluctant.records import SuccessMap, UsageError
from reluctant.report._plain import plain
from reluctant.report.json import document_of

SCHEMA = "reluctant.map/1"


def map_to_json(found: SuccessMap) -> str:
    """One JSON document, in ASCII; nan and ±inf are strings in it."""
    document = {"schema": SCHEMA, **msgspec.to_builtins(found)}
    document["trainings"], document["grid"] = found.trainings, found.grid
    document["diagnosis"] = document_of(diagnose_map(found))
    return json.dumps(plain(document), indent=2, allow_nan=False) + "\n"


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
