"""Read a fit from the file that `Fit.save` wrote."""

from pathlib import Path

import numpy as np

from relufit.export import load_fit
from relufit.fits.result import Fit, History
from relufit.network.metrics import Metrics
from relufit.network.params import Params


def load(path: str | Path) -> Fit:
    """The fit in a .safetensors file that `Fit.save` wrote: it predicts, draws, and is exported as before.

    Parameters, metrics, columns and bounds are exactly those saved. A function with an expression is read back with
    samples on an even grid, a noisy one without samples. Data are not saved, so x and y of a fit of data are empty, and
    so is the history. An older file, or one of another program, gives a Fit with what it has: metrics are nan or
    missing, and the bounds are unknown.

    Raises RelufitError for a file that is missing, of another format or damaged, as `export.load_params` does.
    """
    weights, columns, about = load_fit(path)
    params = Params(*(np.asarray(array, np.float64) for array in weights))
    if about is None:
        return Fit(params, History(), Metrics(len(params.b1)), None, *_empty(params), columns=columns)
    target = about.target
    x, y = _empty(params)
    if target is not None and not target.noise:
        x = np.linspace(*target.domain, about.samples)[:, None]
        y = target(x)
    return Fit(params, History(), about.metrics, None, x, y, target, columns, about)


def _empty(params: Params) -> tuple[np.ndarray, np.ndarray]:
    return np.empty((0, params.w1.shape[0])), np.empty((0, params.w2.shape[1]))
