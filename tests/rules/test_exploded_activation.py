from reluctant.diagnosis import diagnose
from reluctant.records import Trace
from reluctant.rules.units.exploded_activation import ExplodedActivation
from rules.rule_cases import FALLING, FLAT, judged, mlp_setup

HIGH = [50.0] * 100


def run(growth: float, *, loss: list[float] = HIGH) -> Trace:
    return judged(
        setup=mlp_setup(8),
        loss=loss,
        preact_rms={f"fc{i}": [growth**i] * 100 for i in range(8)},
        output_mean=[[0.0] * 4] * 100,
        output_square=[[9.0] * 4] * 100,
        output_variation=[1.0] * 100,
    )


def test_grows_from_layer_to_layer() -> None:
    (finding,) = ExplodedActivation().check(run(4.0))
    assert "4.2 decades above that of fc0" in finding.message
    assert finding.since_step == 0


def test_ordinary_growth() -> None:
    assert not list(ExplodedActivation().check(run(1.3)))


def test_a_network_that_bears_it() -> None:
    assert not list(ExplodedActivation().check(run(4.0, loss=FALLING)))
    assert not list(ExplodedActivation().check(run(4.0, loss=FLAT)))


def test_is_the_root() -> None:
    root = diagnose(run(4.0)).root
    assert root is not None
    assert root.code == "UNT501"
