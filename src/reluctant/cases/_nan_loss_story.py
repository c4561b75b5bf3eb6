"""What `nan-loss` has to tell."""

from typing import Any

from reluctant.cases._nan_loss_steps import FAILING, FLATS, QUADRATICS, WORKING


def tell(numbers: dict[str, Any]) -> list[str]:
    """Paragraphs with the numbers of a run in them."""
    failing = [r for r in numbers["rates"] if r["rate"] == FAILING]
    working = [r for r in numbers["rates"] if r["rate"] == WORKING]
    broke = [r for r in failing if r["nonfinite_at"] is not None]
    one, raw = failing[0], numbers["hessian"]["raw"]
    flat = numbers["hessian"]["standardized"]
    wrong = numbers["prediction"][f"{FAILING:g}"]
    right = numbers["prediction"][f"{WORKING:g}"]
    limits = [r["limit"] for r in numbers["rates"]]
    small = numbers["small_net"]
    steep = [q for q in numbers["quadratics"] if q["name"] == "steep"]
    story = [
        f"One linear layer learns the rent of {FLATS} flats from size (m²), rooms and "
        "age (years), as they are: mean squared error, plain gradient descent on all "
        f"flats at once, float32. At learning rate {FAILING:g} the loss is no number "
        f"in {len(broke)} of {len(failing)} seeds; in the first it goes from "
        f"{one['first_loss']:,.0f} past a trillion at step {one['above_trillion_at']} "
        f"and breaks at step {one['nonfinite_at']}. At {WORKING:g} it falls in all "
        f"{len(working)}, to {working[0]['last_loss']:.3g} after {numbers['steps']:,} "
        f"steps (least possible {working[0]['least_loss']:.3g}).",
        "Why a minimizer raises the loss: a step ε·g changes it by ½ε²·gᵀHg − ε·gᵀg. "
        "Past ε = 2·gᵀg / gᵀHg the second term wins. At the first step that limit is "
        f"{wrong['first_limit']:.2g}: below {FAILING:g}, above {WORKING:g} (over the "
        f"seeds 2/λ is {min(limits):.2g} to {max(limits):.2g}). The first step was "
        f"predicted to change the loss by {wrong['first_predicted']:+.4g} and by "
        f"{right['first_predicted']:+.4g}; it did by {wrong['first_real']:+.4g} and "
        f"{right['first_real']:+.4g}. Over {wrong['steps']} steps at either rate "
        "prediction and change differ by at most a share of "
        f"{max(wrong['worst_relative_error'], right['worst_relative_error']):.0e}.",
        f"Why one order of magnitude decides: the Hessian's condition number is "
        f"{raw['condition_number']:,.0f} (eigenvalues {raw['eigenvalues'][0]:.2g} to "
        f"{raw['eigenvalues'][-1]:,.0f}). The steepest direction sets the limit, the "
        "flattest the time. At the smaller rate the gradient soon turns to flat "
        f"directions, and the limit of the step rises to {right['last_limit']:.2g}; at "
        f"the larger one it stays at {wrong['last_limit']:.2g}, because each step "
        "enlarges just the steepest part.",
        f"The same on a quadratic with curvature {steep[0]['curvature']:g}, limit "
        f"{steep[0]['limit']:g}: "
        + "; ".join(
            f"at {q['rate']:g} x goes from 1 to {q['path'][-1]:.2g} in "
            f"{len(q['path']) - 1} steps"
            for q in steep
        )
        + f". With curvature {QUADRATICS[0][1]:g} both rates descend.",
        "For a net of eight tanh units on standardized inputs, whose loss is no "
        "quadratic, the prediction for "
        + ", ".join(
            f"a step at {s['fraction_of_limit']:g} of the limit is off by "
            f"{100 * abs(s['predicted'] / s['real'] - 1):.1g}%"
            for s in small[1:]
        )
        + ".",
        _of_rivals(numbers),
        f"Standardized inputs are the cure: condition number "
        f"{flat['condition_number']:.1f}, limit {flat['limit']:.2g}.",
    ]
    story += [
        f"Watched at learning rate {found['rate']:g} for {found['steps']:,} steps, the "
        f"{which} training is diagnosed: {found['headline']}"
        for which, found in numbers["diagnosis"].items()
    ]
    return story


def _of_rivals(numbers: dict[str, Any]) -> str:
    parts = []
    for name, told in numbers["rivals"].items():
        after = told["steps_to_one_percent"]
        reached = (
            f"after {after:,} steps"
            if after is not None
            else f"not in {numbers['steps']:,} (still {told['over_least']:.3g} times)"
        )
        parts.append(f"{name}: {reached}")
    return "Within 1 % of the least possible loss: " + "; ".join(parts) + "."
