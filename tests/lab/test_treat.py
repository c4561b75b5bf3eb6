"""Treat finds what helps, says so with figures, applies it in place and undoes it."""

import json

import pytest
import torch
from torch import nn

from changes.patients import bits
from lab.treat_recipes import alike_columns, healthy, in_torch, too_fast
from reluctant.lab import Training, build, load_recipe, treat, treat_recipe
from reluctant.lab._bench import Rival
from reluctant.lab._candidates import candidates, joined, watched
from reluctant.records import (
    Prescription,
    Reinitialize,
    RestartSelected,
    ScaleLearningRate,
    StandardizeInput,
    UsageError,
    WarmUp,
    WhitenInput,
)
from reluctant.report import treatment_page
from reluctant.report.treatment_json import treatment_to_json

FEW = {"seeds": 8, "steps": 60, "workers": 2}


@pytest.fixture(scope="module")
def treated():
    return treat_recipe(too_fast, name="too_fast", **FEW)


@pytest.mark.slow
def test_the_winner_is_confirmed_on_seeds_it_was_not_chosen_by(treated):
    record = treated.record
    assert record.diagnosis.root is not None
    assert record.winner
    chosen = {seed for trial in record.rounds for seed in trial.seeds}
    assert not chosen & set(record.confirmation.seeds)
    assert record.confirmation.against_untreated(record.winner).verdict == "helped"
    assert record.confirmation.arm("untreated").success.successes == 0
    assert [arm.name for arm in record.confirmation.arms][:2] == [
        "untreated",
        "restart",
    ]
    assert record.patch
    assert record.changes


@pytest.mark.slow
def test_every_rival_is_reported_with_its_figures(treated):
    page = treatment_page.render(treated.record)
    for trial in treated.record.rounds:
        for arm in trial.arms:
            assert arm.name in page
            assert arm.refusal or arm.outcomes
    for name, trial in treated.record.by_arm().items():
        sizes = [
            len(arm.outcomes)
            for found in treated.record.rounds
            for arm in found.arms
            if arm.name == name
        ]
        assert len(trial.arm(name).outcomes) == max(sizes)
    assert all(len(line) <= 80 for line in page.splitlines())
    document = json.loads(treatment_to_json(treated.record))
    assert document["schema"] == "reluctant.treatment/1"
    assert document["success"]["untreated"]["n"] >= 4
    low, high = document["success"]["treated"]["interval"]
    assert 0 < low <= document["success"]["treated"]["p"] <= high <= 1
    assert document["winner"] == treated.record.winner


@pytest.mark.slow
def test_a_recipe_has_nothing_live_to_apply_to(treated):
    with pytest.raises(UsageError, match="no live model"):
        treated.apply()
    with pytest.raises(UsageError, match="nothing to undo"):
        treated.undo()


def live(rate: float = 3.0) -> Training:
    training = build(lambda seed: in_torch(seed, rate), 0)
    training.model.train()
    return training


@pytest.mark.slow
def test_a_live_training_is_changed_in_place_and_put_back():
    mine = live()
    before = bits(mine)
    stream = torch.get_rng_state()
    treatment = treat(mine.model, mine.loss_fn, mine.optimizer, mine.batches, **FEW)
    assert bits(mine) == before
    assert torch.equal(stream, torch.get_rng_state())
    assert treatment.record.winner, treatment.record.verdict
    model, optimizer = mine.model, mine.optimizer
    assert treatment.apply()
    assert bits(mine) != before
    with pytest.raises(UsageError, match="applied already"):
        treatment.apply()
    losses = []
    for x, y in [*mine.batches] * 4:
        loss = treatment.loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0] < 100
    treatment.undo()
    assert bits(mine) == before


@pytest.mark.slow
def test_a_healthy_training_needs_no_treatment():
    treatment = treat_recipe(healthy, seeds=6, steps=150, workers=2, success="gap<0.5")
    assert not treatment.record.winner
    assert "nothing to treat" in treatment.record.verdict
    with pytest.raises(UsageError, match="nothing to apply"):
        treatment.apply()


@pytest.mark.slow
def test_chance_is_not_taken_for_a_cure():
    # labels are noise, drawn anew for each seed: no arm can be better than another
    def hopeless(seed: int) -> Training:
        model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        x, y = torch.zeros(64, 3), torch.randn(64, 1)
        batches = list(zip(x.split(16), y.split(16), strict=True))
        optimizer = torch.optim.Adam(model.parameters(), 0.02)
        return Training(model, nn.MSELoss(), optimizer, batches)

    treatment = treat_recipe(
        hopeless, seeds=8, steps=150, workers=2, success="loss<0.1"
    )
    assert not treatment.record.winner
    assert "beyond chance" in treatment.record.verdict


def test_candidates_begin_with_what_was_found():
    training = build(too_fast, 0)
    diagnosis, trace = watched(training, 60, name="too_fast")
    wanted, _ = candidates([diagnosis], trace, is_recipe=True)
    assert wanted[0].remedy == diagnosis.prescriptions[0].remedy
    names = [one.remedy for one in wanted]
    assert len(set(names)) == len(names)
    assert {"zero-outgoing-weights", "restart-with-selection", "widen-layers"} <= set(
        names
    )
    assert "start-over" not in names
    on_the_way, _ = candidates([diagnosis], trace, is_recipe=False)
    assert "start-over" in {one.remedy for one in on_the_way}
    assert "widen-then-prune" not in {one.remedy for one in on_the_way}


def rival(name: str, *changes) -> Rival:
    made = Prescription(
        remedy=name, cures="", changes=changes, trust="safe", because="a test"
    )
    return Rival(name, (made,))


def test_two_remedies_join_unless_they_change_the_same():
    slow, warm = rival("slow", ScaleLearningRate(0.1)), rival("warm", WarmUp(5))
    assert joined(slow, rival("fast", ScaleLearningRate(10))) is None
    assert joined(warm, slow).name in ("slow + warm", "warm + slow")
    select = rival("select", RestartSelected())
    assert joined(slow, select).changes[0] == RestartSelected()


def test_inputs_are_whitened_or_standardized_not_both():
    white = rival("white", WhitenInput())
    assert joined(white, rival("standard", StandardizeInput())) is None
    drawn = joined(rival("drawn", Reinitialize((), "lsuv")), white)
    assert drawn.changes == (WhitenInput(), Reinitialize((), "lsuv"))


@pytest.mark.slow
def test_columns_that_are_nearly_copies_are_whitened(tmp_path):
    found = treat_recipe(alike_columns, name="alike", seeds=8, steps=120, workers=1)
    assert found.record.diagnosis.root.name == "ill-conditioned"
    assert found.record.winner == "whiten-inputs"
    (change,) = found.record.changes
    assert isinstance(change, WhitenInput)
    assert len(change.mean) == len(change.matrix) == 3
    assert "torch.linalg.eigh" in treatment_page.render(found.record)
    succeeded = found.record.confirmation.arm("whiten-inputs").success
    assert succeeded.successes == succeeded.n
    assert found.record.confirmation.arm("untreated").success.successes == 0


def test_many_starts_are_applied_to_a_live_model():
    mine = live(0.05)
    before = bits(mine)
    from reluctant.lab import make_changes

    done = make_changes([RestartSelected(4, 0.5, 0.5)], mine, steps=60)
    assert bits(mine) != before
    done.undo()
    assert bits(mine) == before


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ({"batches": iter([])}, "one-shot iterator"),
        ({"batches": []}, "is empty"),
        ({"batches": 3}, "must be an iterable"),
        ({"optimizer": "adam"}, "must be a torch Optimizer"),
        ({"success": "well"}, "no criterion"),
        ({"seeds": 0}, "seeds are 0"),
        ({"most_steps": 10.0}, "too small"),
        ({"seconds": 1e-6, "steps": 10**7}, "too small"),
    ],
)
def test_bad_input_is_refused_before_any_work(spoil, reason):
    mine = live()
    given = {
        "model": mine.model,
        "loss_fn": mine.loss_fn,
        "optimizer": mine.optimizer,
        "batches": mine.batches,
        **FEW,
        **spoil,
    }
    before = bits(mine)
    with pytest.raises(UsageError, match=reason):
        treat(**given)
    assert bits(mine) == before


def test_a_model_that_cannot_be_copied_is_refused():
    class Stubborn(nn.Linear):
        def __deepcopy__(self, memo):
            raise RuntimeError("I hold a socket")

    model = Stubborn(6, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(UsageError, match="I hold a socket"):
        treat(model, nn.MSELoss(), optimizer, [(torch.randn(4, 6), torch.randn(4, 2))])


def test_batches_that_do_not_fit_say_so():
    model = nn.Linear(6, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises((UsageError, RuntimeError), match="shapes"):
        treat(model, nn.MSELoss(), optimizer, [(torch.randn(4, 5), torch.randn(4, 2))])


@pytest.mark.slow
def test_the_treated_recipe_is_a_file_that_builds(tmp_path, treated):
    from reluctant.lab import treated_source

    source = tmp_path / "mine.py"
    source.write_text(
        "from lab.treat_recipes import too_fast\n\ndef make(seed):\n"
        "    return too_fast(seed)\n"
    )
    path = tmp_path / "treated.py"
    path.write_text(treated_source(treated.record, f"{source}:make", path))
    training = build(load_recipe(f"{path}:make"), 3)
    losses = training.step(60)
    assert losses[-1] < losses[0]
