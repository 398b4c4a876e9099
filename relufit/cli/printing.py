"""Format results for stdout: as text for people, as JSON for programs."""

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from relufit.backends.evaluation import evaluate
from relufit.errors import RelufitError, counted
from relufit.fits.piece_tables import aligned, as_texts
from relufit.fits.pieces import PiecewiseLinear
from relufit.fits.result import Fit
from relufit.network.params import Params
from relufit.reading.columns import NUMBER, as_text
from relufit.solvers.training import reasons_in_words
from relufit.targets import Target

NOTES = {  # by metrics["status"]
    "interrupted": " (stopped by Ctrl-C: this is the state reached)",
    "stopped": " (stopped early)",
    "inexact": " (rounding adds to the error: some pieces are too steep for float64)",
}

FEW_PIECES = 12  # that are printed
OVERFITTED = 4.0  # ratio of the error on samples held out to that on those fitted, above which a fit is warned of


def demand_inputs(params: Params, columns: int) -> None:
    """Raise RelufitError unless the network takes this number of columns of x."""
    if columns != params.w1.shape[0]:
        raise RelufitError(f"the network takes {counted(params.w1.shape[0], 'column')} of x, not {columns}")


def print_rows(x: np.ndarray, params: Params, as_json: bool, types: Sequence[str]) -> None:
    """Print each row of x (n, D), finite, and the network's output for it; n may be 0.

    `types` are those of the columns of x: times are printed in ISO 8601 in UTC, all else as numbers.
    """
    if not len(x):
        return
    with np.errstate(all="ignore"):  # far outside the data the output may overflow; inf is printed
        y = evaluate(params, x)  # (n, O)
    columns = [
        column.tolist() if kind == NUMBER else as_text(column, kind) for column, kind in zip(x.T, types, strict=True)
    ]
    for given, output in zip(zip(*columns, strict=True), y.tolist(), strict=True):
        if as_json:
            print(json.dumps({"x": given, "y": [_or_null(value) for value in output]}))
        else:
            print(",".join(map(str, (*given, *output))))


def as_json(values: dict[str, Any]) -> str:
    """Format values as one JSON object."""
    return json.dumps({name: _or_null(value) for name, value in values.items()})


def _or_null(value: Any) -> Any:
    """None for nan and inf, which JSON does not have: a test error without test samples becomes null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def in_words(fit: Fit) -> str:
    """Describe a fit in lines of text: errors, samples, the cost of the fit, and its pieces if they are few."""
    m = fit.metrics
    quality = "" if math.isnan(m.r2) else f", R^2 {m.r2:.6g}"
    lines = [f"mean squared error {m.mse:.3e}, largest error {m.max_error:.3e}{quality}{NOTES.get(m.status or '', '')}"]
    if fit.target is None or fit.target.noise:  # the samples were fitted, not the function itself
        lines.append(f"on the samples fitted {m.train_mse:.3e}{_held_out(fit)}")
        lines += _overfitted(fit)
    if m.rows is not None and m.dropped:
        lines.append(f"{counted(m.rows, 'row')}; {left_out(m.dropped)}")
    trained = f"{counted(m.epochs, 'epoch')}, {counted(m.steps or 0, 'step')}, " if m.epochs else ""
    lines.append(f"{counted(m.hidden, 'hidden unit')}, {m.solver} on {m.backend}: {trained}{m.seconds:.2g} s")
    if m.passed_over:
        lines.append(f"backend: {m.backend} ({reasons_in_words(m.passed_over)})")
    return "\n".join([*lines, *_few_pieces(fit)])


def _few_pieces(fit: Fit) -> list[str]:
    """The table of at most FEW_PIECES pieces, under a title; of more their number; nothing for fits without pieces."""
    try:
        pieces = fit.to_piecewise()
    except RelufitError:  # several inputs, a single x, or too steep
        return []
    if len(pieces.slopes) > FEW_PIECES:
        return [f"{len(pieces.slopes)} pieces; --pieces FILE.csv writes them"]
    kind = fit.columns.types[0] if fit.columns.types else NUMBER
    return ["pieces:", str(pieces)] if kind == NUMBER else ["pieces, with slopes per second:", _of_times(pieces, kind)]


def _of_times(pieces: PiecewiseLinear, kind: str) -> str:
    """The table of pieces between times; y where each begins stands for the intercept, which is y in 1970."""
    texts, shown = as_texts(pieces.columns()), ("y_from", "slope")
    values = {name: column for name, column in texts.items() if name.startswith(shown)}
    times = as_text(pieces.x, kind)
    return aligned({"from": times[:-1], "to": times[1:], **values})


def print_limits(target: Target) -> None:
    """Print a line on stderr if a function has no value at some places, and its limits there are used."""
    found = target.removable()
    if found:
        places, limits = (", ".join(f"{value:.6g}" for value in values) for values in (found, found.values()))
        one, verb = ("limit", "is") if len(found) == 1 else ("limits", "are")
        print(f"relufit: {target.name} has no value at x = {places}; its {one} {limits} {verb} used", file=sys.stderr)


def _held_out(fit: Fit) -> str:
    """The test error in words. Solvers that fit all samples measure it by a second fit without those held out."""
    error = fit.metrics.test_mse
    if not math.isfinite(error):
        return ""
    is_second = fit.metrics.solver in ("lbfgs", "spline")
    return f", on those held out {error:.3e}" + (" (by a second fit, without them)" if is_second else "")


def _overfitted(fit: Fit) -> list[str]:
    """What to do where a spline of data is far worse on the samples held out; a line at most."""
    times = fit.metrics.test_mse / fit.metrics.train_mse if fit.metrics.train_mse > 0 else 0.0
    if fit.metrics.solver != "spline" or not times > OVERFITTED:
        return []
    advice = "take fewer by --hidden, or, if the noise is not the same everywhere, weight rows by 1/variance (--weight)"
    return [f"the error on those held out is {times:.0f} times as large: the units follow noise; {advice}"]


def left_out(rows: int) -> str:
    """The number of rows of a table that were not used, in words."""
    return f"{counted(rows, 'row')} with a gap {'was' if rows == 1 else 'were'} left out"
