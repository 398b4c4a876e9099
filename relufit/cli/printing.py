"""What results look like: sentences for people, JSON for programs, on stdout."""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from relufit.columns import NUMBER, as_text
from relufit.errors import RelufitError, counted
from relufit.fits import Fit, evaluate
from relufit.params import Params

NOTES = {  # on a status
    "interrupted": " (stopped by Ctrl-C: this is the state reached)",
    "inexact": " (rounding adds to the error: some pieces are too steep for float64)",
}


def demand_inputs(params: Params, columns: int) -> None:
    """Raise RelufitError unless the network takes so many columns of x."""
    if columns != params.w1.shape[0]:
        raise RelufitError(f"the network takes {counted(params.w1.shape[0], 'column')} of x, not {columns}")


def print_rows(x: np.ndarray, params: Params, as_json: bool, types: Sequence[str]) -> None:
    """Each row of x (n, D), finite, and what the network says of it; there may be none.

    Columns of times are printed in ISO 8601, in UTC: the others as numbers.
    """
    if not len(x):
        return
    with np.errstate(all="ignore"):  # far outside, a network leaves the finite numbers, and its rows show it
        y = evaluate(params, x)  # (n, O)
    columns = [
        column.tolist() if found == NUMBER else as_text(column, found) for column, found in zip(x.T, types, strict=True)
    ]
    for given, found in zip(zip(*columns, strict=True), y.tolist(), strict=True):
        if as_json:
            print(json.dumps({"x": given, "y": [_or_null(value) for value in found]}))
        else:
            print(",".join(map(str, (*given, *found))))


def as_json(values: dict[str, Any]) -> str:
    """One object."""
    return json.dumps({name: _or_null(value) for name, value in values.items()})


def _or_null(value: Any) -> Any:
    """JSON has no nan and no inf: an error that does not exist (no test samples) is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def in_words(fit: Fit) -> str:
    """Errors, samples and work, a line each."""
    m = fit.metrics
    lines = [f"mean squared error {m['mse']:.3e}, largest error {m['max_error']:.3e}{NOTES.get(m['status'], '')}"]
    if fit.target is None or fit.target.noise:  # where what is fitted are the samples
        held_out = f", on those held out {m['test_mse']:.3e}" if math.isfinite(m["test_mse"]) else ""
        lines.append(f"on the samples fitted {m['train_mse']:.3e}{held_out}")
    if m.get("dropped"):
        were = "was" if m["dropped"] == 1 else "were"
        lines.append(f"{counted(m['rows'], 'row')}; {m['dropped']} with a gap {were} left out")
    trained = f"{counted(m['epochs'], 'epoch')}, {counted(m['steps'], 'step')}, " if m["epochs"] else ""
    lines.append(
        f"{counted(m['hidden'], 'hidden unit')}, {m['solver']} on {m['backend']}: {trained}{m['seconds']:.2g} s"
    )
    return "\n".join(lines)
