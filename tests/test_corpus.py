"""The corpus: each recipe builds, is short, names a rule; each fault does harm."""

import re
from pathlib import Path

import msgspec
import pytest

from corpus import _harm
from corpus.__main__ import _compare
from corpus._figures import Figures, Share, difference, figures
from corpus._recipes import MAX_LINES, Recipe, recipes
from corpus._watched import Said, final_loss
from reluctant.lab import Training
from reluctant.rules import RULES

ROOT = Path(__file__).parents[1]
ALL = recipes()
# beginners overlook warnings, and some of these faults would be seen by reading one
pytestmark = pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")
each_recipe = pytest.mark.parametrize("recipe", ALL, ids=lambda r: r.name)


@each_recipe
def test_a_recipe_builds_and_has_a_loss(recipe: Recipe) -> None:
    for variant in recipe.variants:
        training = recipe.build(variant, seed=0)
        assert isinstance(training, Training)
        with training.own_randomness():
            training.loss(training.next_batch())


@each_recipe
def test_a_recipe_is_short_and_says_what_it_is(recipe: Recipe) -> None:
    assert len(recipe.path.read_text("utf-8").splitlines()) <= MAX_LINES
    assert recipe.about
    assert 0 < recipe.steps <= 1500
    assert recipe.name.startswith("healthy_") == (not recipe.cause)


@each_recipe
def test_a_cause_is_the_name_of_a_rule(recipe: Recipe) -> None:
    if unknown := recipe.right - {rule.name() for rule in RULES}:
        pytest.skip(f"no such rule yet: {', '.join(sorted(unknown))}")


def test_equal_seeds_give_equal_trainings() -> None:
    a, b = (ALL[0].build(ALL[0].variants[0], seed=1) for _ in range(2))
    assert a.step(3) == b.step(3)


def test_nothing_in_src_knows_the_corpus() -> None:
    rules = {rule.name().replace("-", "_") for rule in RULES}
    names = re.compile("|".join({r.name for r in ALL} - rules) + "|from corpus")
    for path in (ROOT / "src").rglob("*.py"):
        assert not names.search(path.read_text("utf-8")), path


def test_a_share_with_its_interval_reads_well() -> None:
    assert str(Share(8, 10)) == "  8/10   80% [49%, 94%]"
    assert str(Share(0, 0)).strip() == "–"


def test_a_loss_that_is_nan_at_the_end_is_no_survivor() -> None:
    assert final_loss([1.0] * 20 + [float("nan")]) == float("inf")
    assert final_loss([5.0] * 18 + [1.0, 3.0]) == 2.0


SICK = Recipe("sick", "…", cause="dead-unit", also=("dead-layer",))
WELL = Recipe("healthy_one", "…")


def said(recipe: str, variant: str, *told: str) -> Said:
    return Said(recipe, variant, 0, told[0] if told else "", told)


def counted(*runs: Said) -> Figures:
    return figures(runs, [SICK, WELL])


def test_figures_are_counted_from_what_was_said() -> None:
    now = counted(
        said("sick", "faulty", "dead-layer", "dead-unit"),
        said("sick", "faulty", "divergence", "dead-unit"),
        said("sick", "repaired", "divergence"),
        said("healthy_one", "healthy"),
    )
    assert now.overall["faulty runs with any finding"] == Share(2, 2)
    assert now.overall["true cause among the findings"] == Share(2, 2)
    assert now.overall["true cause is the headline"] == Share(1, 2)
    assert now.overall["headlines that are right"] == Share(1, 3)
    assert now.overall["healthy runs with an alarm"] == Share(0, 1)
    assert now.overall["repaired runs with an alarm"] == Share(1, 1)
    assert now.rules["dead-unit"].found == Share(2, 2)
    assert now.rules["divergence"].right == Share(0, 2)
    assert now.rules["divergence"].healthy == Share(1, 2)


def test_a_figure_that_falls_is_told_and_one_that_rises_is_not_a_fall() -> None:
    good = counted(said("sick", "faulty", "dead-unit"), said("healthy_one", "healthy"))
    bad = counted(said("sick", "faulty"), said("healthy_one", "healthy", "divergence"))
    _, fell = difference(good, bad)
    assert len(fell) == 5
    assert any("healthy runs with an alarm" in line for line in fell)
    changed, fell = difference(bad, good)
    assert not fell
    assert any("sick (faulty, seed 0): nothing  ->  dead-unit" in c for c in changed)


def test_fewer_seeds_are_compared_with_the_same_of_the_table(tmp_path, capsys) -> None:
    """Seed 1 found nothing when it was recorded; it is no measure for seed 0."""
    recipe = next(r for r in ALL if r.cause)
    runs = [
        Said(recipe.name, "faulty", 0, recipe.cause, (recipe.cause,)),
        Said(recipe.name, "faulty", 1, "", ()),
    ]
    recorded = tmp_path / "table.json"
    recorded.write_bytes(msgspec.json.encode(figures(runs, [recipe])))
    lost = figures([Said(recipe.name, "faulty", 0, "", ())], [recipe])
    assert _compare(lost, recorded, 1, [recipe]) == 1
    assert "100%" in capsys.readouterr().out
    assert _compare(figures(runs[:1], [recipe]), recorded, 1, [recipe]) == 0
    assert "no change" in capsys.readouterr().out


def test_a_repair_must_help_with_every_seed() -> None:
    assert _harm.Pair(False, (0.5, None), (0.9, 0.8)).helped
    assert not _harm.Pair(False, (0.5, 0.85), (0.9, 0.86)).helped
    assert not _harm.Pair(True, (-1.0,), (-0.96,)).helped
    assert not _harm.Pair(True, (-1.0,), (None,)).helped


FAULTY = [recipe for recipe in ALL if recipe.cause]


@pytest.mark.parametrize("recipe", FAULTY, ids=lambda r: r.name)
def test_a_fault_does_harm_or_says_which(recipe: Recipe) -> None:
    pair = _harm.recorded()[recipe.name]
    assert len(pair.faulty) >= 3
    assert pair.helped or recipe.harm


def test_there_is_enough_of_both() -> None:
    assert len(FAULTY) >= 60
    assert len(ALL) - len(FAULTY) >= 60
