"""Predict: a number chosen beforehand, beside the one that comes out."""

import math


def how_far(prediction, outcome, unit="", *, factor=False):
    """Print how far a prediction is from what came out.

    prediction: a number, or None as long as nothing has been chosen: then the outcome is not given away. unit: written
    behind the numbers. factor=True measures the distance as a factor, for what varies over orders of magnitude.
    """
    if prediction is None or prediction is ...:
        print("Choose first: put your number in the place of None in the cell above, run it, then run this cell.")
        return
    try:
        chosen = float(prediction)
    except (TypeError, ValueError):
        print(f"Your prediction is {prediction!r}; it should be one number, without its unit, such as 0.5 or 1e-3.")
        return
    outcome, unit = float(outcome), f" {unit}" if unit else ""
    numbers = f"You predicted {chosen:.4g}{unit}, and it is {outcome:.4g}{unit}"
    if not factor:
        print(f"{numbers}: you were off by {abs(chosen - outcome):.3g}{' points' if unit == ' %' else unit}.")
    elif chosen * outcome > 0:
        ratio = chosen / outcome
        side = "large" if ratio > 1 else "small"
        print(f"{numbers}: {math.exp(abs(math.log(ratio))):.3g} times too {side}.")
    else:
        print(f"{numbers}: the two do not even have the same sign.")
