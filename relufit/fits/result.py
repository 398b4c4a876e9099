"""The result of a fit: the network, the history of its training, and its errors against the function or the data."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from relufit.backends.evaluation import Evaluation, evaluate
from relufit.errors import RelufitError, counted
from relufit.export.about import About
from relufit.export.numpy_function import answer, build_function
from relufit.fits.pieces import PiecewiseLinear
from relufit.network.metrics import Metrics
from relufit.network.optim import State
from relufit.network.params import Params
from relufit.network.sorted.polyline import Polyline, polyline_of
from relufit.reading.columns import Columns
from relufit.targets import DOMAIN, Target

CHECKED = 100  # points at which an export is compared with a network without samples


@dataclass(eq=False)
class History:
    """Losses and errors during training: mean squares over the samples, in the units of y."""

    loss: list[float] = field(default_factory=list)  # of each epoch: the mean over its batches, before their updates
    epoch: list[int] = field(default_factory=list)  # epochs done at the end of each slice of training
    seconds: list[float] = field(default_factory=list)  # seconds of training up to the end of each slice
    test_mse: list[float] = field(default_factory=list)  # at the end of each slice; nan if no samples are held out

    def __repr__(self) -> str:
        if len(self.loss) == 1:  # a solver without epochs
            return f"History(loss {self.loss[0]:.2g})"
        losses = f", loss {self.loss[0]:.2g} to {self.loss[-1]:.2g}" if self.loss else ""
        return f"History({counted(len(self.loss), 'epoch')}{losses})"

    def record(self, losses: np.ndarray, epoch: int, seconds: float, test_mse: float) -> None:
        """Add a slice of training: its losses, the epochs done, its seconds, and the test error after it."""
        self.loss += losses.tolist()
        self.epoch.append(epoch)
        self.seconds.append(seconds + (self.seconds[-1] if self.seconds else 0.0))
        self.test_mse.append(test_mse)


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted network. `params` are float64 arrays that act on raw x and cannot be written to.

    Fits compare by identity.
    """

    params: Params
    history: History
    metrics: Metrics
    trained: State | None  # the state of training; None for a fit that was read from a file
    x: np.ndarray  # (N, D) the samples; none of data for a fit that was read from a file
    y: np.ndarray  # (N, O)
    target: Target | None = None  # the function fitted; None for data
    # Names of x and y, and types of x: the network takes times as seconds since 1970 UTC.
    columns: Columns = Columns()  # noqa: RUF009  # a frozen value
    saved: About | None = None  # what the file says that the fit was read from

    @property
    def state(self) -> State:
        """Continues the training as fit(..., state=this): numpy arrays, in standardised coordinates.

        Raises RelufitError for a fit that was read from a file, which does not hold it.
        """
        if self.trained is None:
            raise RelufitError("a fit that was read from a file has no state of training; train it anew")
        return self.trained

    @property
    def bounds(self) -> np.ndarray:
        """The least and the greatest x fitted, (2, D): of a function's domain, or of the samples.

        Raises RelufitError for a fit from a file that does not hold them.
        """
        if self.saved is not None:
            return self.saved.bounds
        if self.target is not None:
            return np.array(self.target.domain)[:, None]
        if not len(self.x):
            raise RelufitError("the file of this network does not say where it was fitted; it can only predict")
        return np.stack([self.x.min(axis=0), self.x.max(axis=0)])

    @property
    def domain(self) -> tuple[float, float]:
        """The interval fitted, for one input. Raises RelufitError for several inputs, and as `bounds` does."""
        if self.x.shape[1] != 1:
            raise RelufitError(f"a fit of {self.x.shape[1]} inputs has no interval; `bounds` has those of each input")
        low, high = self.bounds[:, 0].tolist()
        return low, high

    def __repr__(self) -> str:
        units, metrics = counted(len(self.params.b1), "hidden unit"), self.metrics
        errors = f"mse {metrics.mse:.2g}, max_error {metrics.max_error:.2g}, R^2 {metrics.r2:.4g}"
        return f"Fit({self._name():.60}: {units}, {metrics.solver}, {errors})"

    def __str__(self) -> str:
        """A table of what was fitted, how, and how well."""
        metrics = self.metrics
        rows = {
            "data" if self.target is None else "function": self._name(),
            "hidden": str(metrics.hidden),
            "solver": str(metrics.solver),
            "mse": f"{metrics.mse:.3g}",
            "max error": f"{metrics.max_error:.3g}",
            "R^2": f"{metrics.r2:.6g}",
            "seconds": f"{metrics.seconds:.2g}",
        }
        return "\n".join(f"{name:<11}{value}" for name, value in rows.items())

    def _name(self) -> str:
        """What was fitted, in one line."""
        if self.target is not None:
            return " ".join(self.target.name.split())
        samples = len(self.x) if self.saved is None else self.saved.samples
        return counted(samples, "sample") if samples else "unknown"

    def with_metrics(self, **changes: Any) -> "Fit":
        """The same fit with some metrics replaced."""
        return replace(self, metrics=replace(self.metrics, **changes))

    def __post_init__(self) -> None:
        # So that what is cached of them stays true. These are views; arrays of the caller stay as they are.
        object.__setattr__(self, "params", Params(*map(_read_only, self.params)))

    def predict(self, x: Any) -> np.ndarray:
        """The network's output in float64: x (N,) or (N, D) -> (N, O), or (N,) for a vector and O = 1.

        With one input it is evaluated by its pieces, in compiled code if numba is installed and there are half a
        million points at least, or numba was used for that before. An infinite x gives the limit.

        If x was fitted as times, it takes times, as `relufit.fit` does, or numbers, as seconds since 1970 UTC. Raises
        RelufitError for an x of another shape or type, and for times if numbers were fitted.
        """
        return answer(self._forward, self.params.w1.shape[0], x, self.columns.types)

    def to_piecewise(self) -> PiecewiseLinear:
        """The network of one input as the piecewise-linear function that it is, in the units of x and y.

        Its breaks begin and end at the ends of the function's domain, or at the least and greatest x of data. Between
        them it differs from the network by no more than rounding: 8 eps of the largest sum |w2 relu(z)| + |b2|, and
        the rounding of knots to float64. Beyond them it continues with the slope that the network has there, whose
        further knots are left out. Times are seconds since 1970 UTC. y is (K + 1,), or (K + 1, O) for several outputs.

        Raises RelufitError for several inputs, if all x are equal, and if a piece is too steep for float64.
        """
        if self.params.w1.shape[0] > 1:
            raise RelufitError(f"only a network of one input has pieces, not one of {self.params.w1.shape[0]} inputs")
        low, high = self.domain
        if low == high:
            raise RelufitError(f"all x are {low}, and pieces need an interval; fit data with different x")
        line = polyline_of(self.params, low, high) if self._line is None else self._line
        inside, slopes = slice(line.first, line.last + 1), line.slope[[line.first, line.last + 1]]
        if len(self.params.b2) == 1:
            return PiecewiseLinear(line.x[inside], line.y[inside, 0], left_slope=slopes[0, 0], right_slope=slopes[1, 0])
        return PiecewiseLinear(line.x[inside], line.y[inside], left_slope=slopes[0], right_slope=slopes[1])

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw data, fit and residual with matplotlib (D = O = 1), and save them to `path`. Returns the figure.

        Raises RelufitError for other D and O, without matplotlib, and if the file cannot be written.
        """
        from relufit.fits.plotting import plot_fit

        return plot_fit(self, path)

    def save(self, path: str | Path) -> None:
        """Write the fit to a .safetensors file for `relufit.load`: parameters, columns, metrics, function and bounds.

        Data and the state of training are not saved. Raises RelufitError if the file cannot be written.
        """
        from relufit.export import save_params

        samples = len(self.x) if self.saved is None else self.saved.samples
        save_params(self.params, path, self.columns, About(self.metrics, self.bounds, samples, self.target))

    def _places(self) -> np.ndarray:
        """Points x (n, D) at which an export is compared with the network."""
        return self.x if len(self.x) else np.linspace(self.bounds[0], self.bounds[1], CHECKED)

    def to_torch(self, dtype: str = "float64") -> Any:
        """A torch.nn.Module of fc1, relu1, fc2 with a copy of the parameters in `dtype`, which can be trained further.

        Raises RelufitError without torch, for another dtype, and if float32 cannot hold the network.
        """
        from relufit.export.torch_module import build_module

        return build_module(self.params, self._places(), dtype)

    def to_onnx(self, path: str | Path, dtype: str = "float64") -> None:
        """Write an .onnx file, input `x` (N, D), output `y` (N, O) in `dtype`, whose output equals that of predict.

        Raises RelufitError without onnx, for another dtype, if float32 cannot hold the network, and if the file cannot
        be written.
        """
        from relufit.export.onnx_file import save_onnx

        save_onnx(self.params, self._places(), path, dtype)

    def to_numpy_function(self) -> Callable[[Any], np.ndarray]:
        """A function of x that gives predict's output, in float64, from a copy of the parameters; it can be pickled."""
        return build_function(self.params, self.columns.types, self._wide_domain)

    @property
    def _wide_domain(self) -> tuple[float, float]:
        """The interval fitted, of the first input, if it has a length; the usual one for a file that does not say."""
        try:
            low, high = self.bounds[:, 0].tolist()
        except RelufitError:
            return DOMAIN
        return low, high if low < high else low + max(1.0, abs(low))

    @cached_property
    def _line(self) -> Polyline | None:
        """The pieces of a network of one input; None for several, and where float64 cannot hold them."""
        try:
            return polyline_of(self.params, *self._wide_domain) if self.params.w1.shape[0] == 1 else None
        except RelufitError:
            return None

    @cached_property
    def _forward(self) -> Callable[[np.ndarray], np.ndarray]:
        """The output for x (N, D), (N, O)."""
        return partial(evaluate, self.params) if self._line is None else Evaluation(self._line)


def _read_only(array: np.ndarray) -> np.ndarray:
    """A view of an array that cannot be written to."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
