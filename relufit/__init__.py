"""relufit: one two-layer ReLU network, written for every array library, timed and checked. Imports no framework."""

from importlib import import_module

from relufit import backends, targets, theory
from relufit.backends.base import Backend, BackendUnavailable, Samples
from relufit.errors import RelufitError
from relufit.fits.pieces import PiecewiseLinear
from relufit.fits.result import Fit
from relufit.fits.saved import load
from relufit.fitting.fit import fit
from relufit.fitting.many import fit_many
from relufit.network.data import Plan, draw_plan, sample, split
from relufit.network.metrics import Metrics
from relufit.network.optim import SGD, Adam, Momentum, State
from relufit.network.params import Params, Sizes, init_params
from relufit.solvers.training import Diverged
from relufit.targets import Target

__version__ = "0.1.0"
__all__ = [
    "SGD", "Adam", "Backend", "BackendUnavailable", "Diverged", "Fit", "Metrics", "Momentum", "Params",
    "PiecewiseLinear", "Plan", "RelufitError", "Samples", "Sizes", "State", "Target", "backends", "draw_plan", "fit",
    "fit_many", "init_params", "load", "sample", "split", "targets", "theory",
]  # fmt: skip

_ON_DEMAND = ("export", "files", "sklearn", "symbolic", "testing")  # modules that not every user needs


def __getattr__(name: str) -> object:
    """`relufit.files` and the like after `import relufit` alone; what they need is imported then."""
    if name in _ON_DEMAND:
        return import_module(f"relufit.{name}")
    raise AttributeError(f"module 'relufit' has no attribute {name!r}")
