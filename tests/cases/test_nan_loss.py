"""The regression that ends in nan: its limit, its predictions, its diagnosis."""

import json

import numpy as np
import pytest
import torch

from reluctant.cases import run_case
from reluctant.cases._nan_loss_steps import (
    TRILLION,
    Flats,
    adam,
    agreement,
    linear,
    sgd,
    small_net,
    train,
    watched,
)
from reluctant.report import figures


@pytest.fixture(scope="module")
def result():
    return run_case("nan-loss", quick=True, seed=0)


@pytest.mark.slow
def test_one_order_of_magnitude_decides_in_every_seed(result):
    for told in result.numbers["rates"]:
        if told["rate"] == 0.001:
            assert 1e3 < told["first_loss"] < 1e4
            assert told["above_trillion_at"] < told["nonfinite_at"] < 60
            assert told["last"] == "nan"
            assert told["limit"] < 0.001
        else:
            assert told["nonfinite_at"] is None
            assert told["last_loss"] < 0.1 * told["first_loss"]
            assert told["limit"] > 0.0001


@pytest.mark.slow
def test_the_failing_one_is_headed_step_past_limit_and_the_working_one_is_clear(result):
    assert result.numbers["diagnosis"]["failing"]["root"] == "STP101"
    assert result.numbers["diagnosis"]["working"]["root"] is None


def test_the_rate_ten_times_too_large_is_headed_step_past_limit():
    diagnosis = watched(Flats.drawn(0), sgd(1e-3), 60, model=linear(0))
    assert diagnosis.root is not None
    assert diagnosis.root.code == "STP101"


@pytest.mark.slow
def test_two_terms_are_the_whole_change_of_a_quadratic_loss(result):
    for told in result.numbers["prediction"].values():
        assert told["worst_relative_error"] < 1e-9


@pytest.mark.slow
def test_first_limit_is_that_of_the_spectrum(result):
    # the first gradient lies along the steepest direction, nearly
    spectral = result.numbers["hessian"]["raw"]["limit"]
    for told in result.numbers["prediction"].values():
        assert told["first_limit"] == pytest.approx(spectral, rel=0.02)
        assert told["first_limit"] >= spectral


def test_small_steps_of_a_net_agree_to_second_order():
    flats = Flats.drawn(1).standardized
    net = small_net(1)
    train(flats, sgd(0.01), 0.01, 50, model=net)
    fractions = (0.04, 0.02, 0.01)
    pairs = agreement(flats, net, fractions)
    missing = [abs(predicted - real) for predicted, real in pairs]
    orders = np.diff(np.log(missing)) / np.diff(np.log(fractions))
    assert (orders > 2.7).all()  # what is missing is of third order
    assert missing[-1] < 1e-3 * abs(pairs[-1][1])


def test_measuring_changes_no_step():
    flats = Flats.drawn(0)
    model = linear(0).double()
    bare = train(flats, sgd(1e-4), 1e-4, 20, model=model, measure=True)
    again = linear(0).double()
    batch = flats.batch(torch.float64)
    optimizer = torch.optim.SGD(again.parameters(), lr=1e-4)
    for _ in range(20):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(again(batch[0]), batch[1]).backward()
        optimizer.step()
    assert torch.equal(model.weight, again.weight)
    assert len(bare.terms) == 20


@pytest.mark.slow
def test_adam_does_not_break_and_standardized_inputs_learn_at_once(result):
    rivals = result.numbers["rivals"]
    assert rivals["Adam 0.001"]["over_least"] > 5
    assert rivals["standardized, SGD 0.1"]["steps_to_one_percent"] < 100
    raw, flat = (result.numbers["hessian"][k] for k in ("raw", "standardized"))
    assert raw["condition_number"] > 1e4 > 100 > flat["condition_number"]


def test_adam_takes_steps_of_its_rate():
    course = train(Flats.drawn(0), adam(0.001), 0.001, 10, model=linear(0))
    assert course.broke is None
    assert course.first_above(TRILLION) is None


@pytest.mark.slow
def test_quadratics_climb_past_their_limit_alone(result):
    for q in result.numbers["quadratics"]:
        climbs = abs(q["path"][-1]) > 1
        assert climbs == (q["rate"] > q["limit"])


@pytest.mark.slow
def test_numbers_are_json_and_figures_have_names_of_their_own(result):
    json.dumps(result.numbers, allow_nan=False)
    assert result.story
    names = [figure.name for figure in result.figures]
    assert len(set(names)) == len(names)
    assert {"predicted-change", "limit", "quadratic-steep"} <= set(names)
    page = figures.render("nan-loss", result.story, result.figures)
    assert all(f'id="figure-{name}"' in page for name in names)


@pytest.mark.slow
def test_texts_stand_at_their_lines_on_a_log_axis(result):
    (limit,) = (figure for figure in result.figures if figure.name == "limit")
    texts = figures.draw(limit).layout.annotations
    assert [text.y for text in texts] == pytest.approx([-3, -4])


def test_equal_seeds_give_equal_flats():
    assert Flats.drawn(3).x.tobytes() == Flats.drawn(3).x.tobytes()
    assert Flats.drawn(3).x.tobytes() != Flats.drawn(4).x.tobytes()
