import json
from typing import Any

import msgspec
import numpy as np
import pytest

from diagnoses import CASES, CLEAR, CONSTANT, EMPTY, HOSTILE, LOWER, NOTE_ONLY, SICK
from reluctant.records import ScaleLearningRate
from reluctant.report.json import SCHEMA, render

KEYS = {"schema", "root", "findings", "ruled_out", "blind", "prescriptions"}
FINDING_KEYS = {
    "code",
    "name",
    "severity",
    "confidence",
    "sites",
    "units",
    "since_step",
    "message",
    "evidence",
}


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("case", CASES)
def test_every_promised_key_is_there(case: str) -> None:
    document = strict(render(CASES[case]))
    for part in (document, *document["trainings"]):
        assert part.keys() >= KEYS
        assert part["schema"] == SCHEMA == "reluctant.diagnosis/1"
        for finding in part["findings"]:
            assert finding.keys() >= FINDING_KEYS
        for check in (*part["ruled_out"], *part["blind"]):
            assert check.keys() >= {"code", "name", "reason"}
        assert part["root"] is None or part["root"] in part["findings"]
    assert len(document["trainings"]) == len(CASES[case])


def test_numbers_that_json_lacks_are_strings() -> None:
    (evidence,) = strict(render([SICK]))["findings"][2]["evidence"]
    assert (evidence["value"], evidence["limit"]) == ("nan", "-inf")
    raised = msgspec.structs.replace(CONSTANT.evidence[0], value=float("inf"))
    finding = msgspec.structs.replace(CONSTANT, evidence=(raised,))
    d = msgspec.structs.replace(SICK, findings=(finding,))
    assert strict(render([d]))["root"]["evidence"][0]["value"] == "inf"


def test_the_document_is_that_of_the_worst_training() -> None:
    document = strict(render([CLEAR, NOTE_ONLY, SICK, EMPTY]))
    assert document["training"] == "Classifier"
    assert document["root"]["code"] == "STP101"
    names = [d["training"] for d in document["trainings"]]
    assert names == ["Autoencoder", "MLP", "Classifier", "model"]


def test_a_note_is_a_finding_but_no_root() -> None:
    document = strict(render([NOTE_ONLY]))
    assert document["root"] is None
    assert len(document["findings"]) == 1


def test_units_are_lists_by_site() -> None:
    assert strict(render([SICK]))["findings"][1]["units"] == {
        "head.2": [3, 8, 0, 1, 5, 7, 9]
    }


def test_broken_rules_are_among_the_blind_and_say_so() -> None:
    blind = strict(render([CLEAR]))["blind"]
    assert [check["outcome"] for check in blind].count("broken") == 1


def test_the_text_survives_any_encoding() -> None:
    assert render([HOSTILE]).isascii()


def test_changes_carry_their_kind() -> None:
    cures = strict(render([SICK]))["prescriptions"]
    assert [c["changes"][0]["type"] for c in cures] == [
        "ScaleLearningRate",
        "EditSource",
    ]


def test_numbers_of_numpy_are_numbers() -> None:
    evidence = msgspec.structs.replace(
        CONSTANT.evidence[0], step=np.int64(3), value=np.float32("nan")
    )
    finding = msgspec.structs.replace(
        CONSTANT, since_step=np.int64(7), evidence=(evidence,)
    )
    cure = msgspec.structs.replace(LOWER, changes=(ScaleLearningRate(np.float32(0.5)),))
    d = msgspec.structs.replace(SICK, findings=(finding,), prescriptions=(cure,))
    document = strict(render([d]))
    assert document["root"]["since_step"] == 7
    assert document["root"]["evidence"][0] | {"note": ""} == {
        "quantity": "loss",
        "site": "",
        "step": 3,
        "value": "nan",
        "limit": "-inf",
        "note": "",
    }
    assert document["prescriptions"][0]["changes"][0]["factor"] == 0.5
