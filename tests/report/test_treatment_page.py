"""The page of a treatment: every arm once, by the round that says most of it."""

from reluctant.records import Arm, Diagnosis, Outcome, Share, TreatmentRecord, Trial
from reluctant.report import treatment_page

LONG = "swap-head-activation + lower-learning-rate by 0.032"


def arm(name: str, successes: int, seeds: int) -> Arm:
    outcomes = tuple(
        Outcome(
            seed=k,
            loss=0.1,
            score=1.0,
            success=k < successes,
            outcome="trained",
            steps=9,
        )
        for k in range(seeds)
    )
    share = Share(successes, seeds, 0.0, 1.0)
    return Arm(name=name, outcomes=outcomes, success=share, loss=0.1)


def trial(*arms: Arm) -> Trial:
    return Trial(
        arms=arms,
        comparisons=(),
        seeds=tuple(range(max(len(a.outcomes) for a in arms))),
        steps=9,
        after=0,
        criterion="loss<1",
        meaning="the loss is below 1",
    )


def test_an_arm_is_shown_by_the_round_of_most_seeds() -> None:
    rounds = (
        trial(arm("untreated", 0, 16), arm("use-adam", 13, 16)),
        trial(arm("untreated", 0, 2), arm("use-adam", 2, 2), arm(LONG, 1, 2)),
    )
    record = TreatmentRecord(training="net", diagnosis=Diagnosis(), rounds=rounds)
    assert {name: len(t.seeds) for name, t in record.by_arm().items()} == {
        "untreated": 16,
        "use-adam": 16,
        LONG: 2,
    }
    page = treatment_page.render(record)
    assert "13 of 16" in page
    assert "2 of 2" not in page
    assert "1 of 2" in page
    assert max(map(len, page.splitlines())) <= 80
