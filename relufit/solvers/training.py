"""Training by gradients, in slices of whole epochs, for networks of any size."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from relufit.backends import load, row
from relufit.backends.base import Backend, BackendUnavailable
from relufit.errors import RelufitError, check_choice
from relufit.fits.problem import Problem, first_divergence
from relufit.fits.result import Fit, History
from relufit.network.checks import check_state
from relufit.network.data import Plan
from relufit.network.optim import OPTIMIZERS, Optimizer, State, map_arrays
from relufit.network.params import Sizes, demand_network
from relufit.solvers.methods import Callback
from relufit.solvers.slices import train_epochs

CHOOSE = "auto"  # the solver that fits the data and the options given
KNOT_BYTES = 400  # per unit, at the peak of sorting knots and summing slopes

Wanted = str | Backend | Sequence[str | Backend]  # one, or several in order of preference; "auto" stands for AUTO
# Fastest first, by the published times of a training step (results/tables/throughput.csv: D = O = 1, geometric means).
# No GPU has been measured, so none is here; torch and jax are not, because numba was faster at every published size and
# importing them takes seconds.
AUTO = ("numba-hinge", "numba", "numpy-hinge", "numpy")


class Diverged(RelufitError):
    """The loss became nan, inf or too large. `fit` holds the last state before that."""

    def __init__(self, message: str, fit: "Fit | None" = None) -> None:
        super().__init__(message)
        self.fit = fit


def train(
    problem: Problem,
    backend: Backend,
    state: State,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int,
    seed: int,
    watch: "Watch",
) -> Fit:
    """Train from `state`, and evaluate after each slice, until the last epoch, divergence, Ctrl-C or `watch` ends it.

    Raises Diverged with the last good fit.
    """

    def diverged(epoch: int, last: Fit) -> Diverged:
        rate, kind = optimizer.learning_rate, type(optimizer).__name__
        other = "" if problem.solver == "adam" else " or solver='adam'"
        return Diverged(
            f"training diverged in epoch {epoch} with {kind} at learning rate {rate:g}; try {rate / 10:g}{other}", last
        )

    samples = problem.samples(backend, state.params.w1.dtype)
    history, reached, before, status = History(), state, state, "finished"
    start = map_arrays(backend.to_device, state)
    try:
        for part in train_epochs(backend, start, samples, optimizer, epochs, batch=batch_size, seed=seed):
            bad = first_divergence(part.losses)
            if bad is not None:
                raise diverged(part.epochs[bad] + 1, problem.fit(reached, history, "diverged"))
            before, reached = reached, map_arrays(backend.to_host, part.state)
            error = problem.mse(problem.scaling.unscale(reached.params), problem.test_index)
            # In float64: the squares of y may be beyond float32.
            losses = part.losses.astype(np.float64) * problem.scaling.loss_unit
            history.record(losses, part.epochs.stop, part.seconds, error)
            watch.look(reached, history)
    except KeyboardInterrupt:
        status = "interrupted"
    except StopIteration:
        status = "stopped"
    fit = problem.fit(watch.chosen(reached), history, status)
    if problem.has_diverged(fit):
        raise diverged(len(history.loss), problem.fit(before, history, "diverged"))
    return fit


class Watch:
    """What happens between slices of training: progress, a callback, and early stopping."""

    def __init__(
        self,
        show: Callable[[int, float], None],
        callback: Callback | None = None,
        patience: int | None = None,
    ) -> None:
        self.show, self.callback, self.patience = show, callback, patience
        self.best: State | None = None
        self.least, self.best_epoch = float("inf"), 0

    def look(self, state: State, history: History) -> None:
        """Note a state at the end of a slice. Raises StopIteration if the training is to end."""
        epoch, loss, error = history.epoch[-1], history.loss[-1], history.test_mse[-1]
        self.show(epoch, loss)
        if self.callback is not None:
            self.callback(epoch, loss, error)
        if self.patience is None:
            return
        seen = loss if np.isnan(error) else error
        if seen < self.least:
            self.least, self.best, self.best_epoch = seen, state, epoch
        elif epoch - self.best_epoch >= self.patience:
            raise StopIteration

    def chosen(self, reached: State) -> State:
        """The state of the least error if there is a patience, else the one reached."""
        return reached if self.best is None else self.best


def check_backend(wanted: Wanted) -> Wanted:
    """Return `wanted`, or raise RelufitError for an unknown name in it; no backend is loaded."""
    for one in _listed(wanted):
        if isinstance(one, str):
            row(one)
    return wanted


def choose_backend(
    wanted: Wanted,
    sizes: Sizes,
    dtype: str,
    optimizer: Optimizer | None,
    plan: Plan | None,
) -> tuple[Backend, dict[str, str]]:
    """The first of the wanted backends that runs here and supports these sizes, dtype, optimizer and plan.

    Also returns the reason why not for each of those before it, by name. Raises RelufitError with every reason if none
    can do this; BackendUnavailable if a single one is wanted and cannot run.
    """
    several = _listed(wanted)
    passed_over: dict[str, str] = {}
    for one in several:
        try:
            backend = one if isinstance(one, Backend) else load(one)
        except BackendUnavailable as error:
            if len(several) == 1:
                raise
            passed_over[str(one)] = error.reason
            continue
        reason = backend.supports(sizes, dtype, optimizer, plan)
        if reason is None:
            return backend, passed_over
        passed_over[backend.name] = reason
    if len(several) == 1:
        raise RelufitError(f"backend {backend.name} cannot do this: {reason}")
    raise RelufitError("none of these backends can do this: " + (reasons_in_words(passed_over) or "none was named"))


def reasons_in_words(passed_over: dict[str, str]) -> str:
    """Names of backends, each with the reason why it was not taken."""
    return "; ".join(f"{name}: {reason}" for name, reason in passed_over.items())


def _listed(wanted: object) -> list[str | Backend]:
    """One backend or several in order of preference, "auto" replaced. Raises RelufitError for anything else."""
    several = [wanted] if isinstance(wanted, (str, Backend)) else wanted
    several = list(several) if isinstance(several, Iterable) else None
    if several is None or not all(isinstance(one, (str, Backend)) for one in several):
        raise RelufitError(f'a backend must be a name, "auto", a Backend or a list of these, not {wanted!r:.60}')
    return [one for given in several for one in (AUTO if given == "auto" else (given,))]


def training_bytes(sizes: Sizes, item_bytes: int, moments: int, networks: int = 1) -> int:
    """Least bytes that a fit needs: 85 % of those measured with Adam and SGD for one input and one output.

    Weights are drawn in float64, with a temporary copy, and are copied again at the end. An update allocates new
    weights and moments beside the old. A batch has its hidden values, of 32 samples here, because backends may process
    it in parts. With one input, errors are computed by sorted knots, one network after the other.
    """
    weights = sizes.hidden * (sizes.inputs + 1 + sizes.outputs) + sizes.outputs
    updated = weights * (3 * 8 + item_bytes * (2 * (1 + moments) + 1))
    batch = min(sizes.samples, 32) * sizes.hidden * item_bytes
    return networks * updated + batch + (KNOT_BYTES * sizes.hidden if sizes.inputs == 1 else 0)


def default_box(inputs: np.ndarray) -> tuple[float, float]:
    """The interval from which initial knots are drawn: that of the standardised inputs, widened if they are equal."""
    low, high = float(inputs.min()), float(inputs.max())
    return low, max(high, low + 1e-6 * max(1.0, abs(low)))  # equal inputs are 0, or rounding of large numbers


def choose_optimizer(solver: str, optimizer: Optimizer | None, learning_rate: float | None) -> tuple[Optimizer, str]:
    """Return the optimizer and the name of its solver: the given optimizer, or that of `solver`; "auto" is Adam.

    Raises RelufitError for an unknown solver, for an optimizer that contradicts it, and for two learning rates.
    """
    check_choice("solver", solver, (CHOOSE, *OPTIMIZERS))
    if optimizer is None:
        solver = "adam" if solver == CHOOSE else solver
        return (OPTIMIZERS[solver]() if learning_rate is None else OPTIMIZERS[solver](learning_rate)), solver
    if learning_rate is not None:
        raise RelufitError("give the learning rate to the optimizer, not to fit")
    if not isinstance(optimizer, Optimizer):
        raise RelufitError(
            f"an optimizer must be one of {', '.join(c.__name__ for c in OPTIMIZERS.values())}, not {optimizer!r}"
        )
    kind = next(name for name, rule in OPTIMIZERS.items() if isinstance(optimizer, rule))
    if solver not in (CHOOSE, kind):
        raise RelufitError(f"solver={solver!r} and optimizer={optimizer!r} contradict each other; give one of them")
    return optimizer, kind


def demand_state(state: State, sizes: Sizes, dtype: str, optimizer: Optimizer) -> None:
    """Raise RelufitError unless training can continue from `state`."""
    if not isinstance(state, State):
        raise RelufitError(f"state must be the .state of an earlier fit, not {type(state).__name__}")
    check_state(state, optimizer)
    demand_network(state.params)
    shape = state.params.w1.shape[0], state.params.w1.shape[1], state.params.w2.shape[1]
    if shape != tuple(sizes[1:]):
        raise RelufitError(
            f"the state is of a network with (inputs, hidden, outputs) = {shape}, not {tuple(sizes[1:])}"
        )
    if state.params.w1.dtype != np.dtype(dtype):
        raise RelufitError(f"the state is {state.params.w1.dtype}; give dtype={str(state.params.w1.dtype)!r} too")
