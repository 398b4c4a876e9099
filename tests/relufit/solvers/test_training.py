"""`fit` by gradients: what is learned, resuming, divergence, Ctrl-C, and states that do not fit."""

import csv
import json
import pickle
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relufit import (
    SGD,
    Adam,
    BackendUnavailable,
    Diverged,
    Fit,
    Momentum,
    RelufitError,
    Sizes,
    State,
    backends,
    fit,
    fit_many,
    targets,
)
from relufit.backend import Backend, Samples
from relufit.backends.numpy import NumpyBackend
from relufit.solvers.training import AUTO, training_bytes

QUICK: dict[str, Any] = {"hidden": 64, "epochs": 20, "progress": False}


@pytest.fixture(scope="module")
def sine() -> Fit:
    """A good fit of sin, made once."""
    return fit(targets.SIN, epochs=100, progress=False)


def test_a_sine_is_learned(sine: Fit) -> None:
    """100 epochs of the defaults reach a mean squared error below 5e-4, and the metrics say what predict does."""
    assert sine.metrics["mse"] < 5e-4
    x = np.linspace(-2 * np.pi, 2 * np.pi, 1_000_001)
    error = sine.predict(x) - np.sin(x)
    assert np.trapezoid(error**2, x) / (x[-1] - x[0]) == pytest.approx(sine.metrics["mse"], rel=1e-6)
    assert np.abs(error).max() == pytest.approx(sine.metrics["max_error"], rel=1e-3)
    assert sine.metrics | {"status": "finished", "solver": "adam", "backend": "numpy", "hidden": 512} == sine.metrics
    assert (sine.metrics["epochs"], sine.metrics["steps"]) == (100, 2500)


def test_history_tells_how_it_went(sine: Fit) -> None:
    """The history has one falling loss an epoch, and looks at rising epochs and seconds, the last at the end."""
    history = sine.history
    assert len(history.loss) == 100
    assert np.mean(history.loss[-10:]) < 0.01 * history.loss[0]
    assert history.epoch[-1] == 100
    assert len(history.epoch) == len(history.seconds) == len(history.test_mse)
    assert np.all(np.diff(history.epoch) > 0)
    assert np.all(np.diff(history.seconds) > 0)
    assert history.test_mse[-1] == pytest.approx(sine.metrics["test_mse"], rel=1e-9)  # summed in another order


def test_the_same_seed_gives_the_same_fit() -> None:
    """The same seed gives the same fit bit for bit; another seed gives another."""
    first, second, other = (fit("sin", **QUICK, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.params.w1, second.params.w1)
    assert not np.array_equal(first.params.w1, other.params.w1)


@pytest.mark.parametrize("rule", [SGD(0.005), Momentum(0.001), Adam(3e-3)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_optimizer_learns(rule: Any, dtype: str) -> None:
    """Every optimizer learns in both precisions, and parameters are float64 in the end."""
    result = fit("square", hidden=64, epochs=60, optimizer=rule, dtype=dtype, progress=False)
    assert result.metrics["mse"] < 0.05 * 138
    assert {p.dtype for p in result.params} == {np.dtype(np.float64)}


def test_a_run_can_be_resumed_from_its_state() -> None:
    """Twice 15 epochs are 30 epochs, bit for bit."""
    whole = fit("sin", hidden=32, epochs=30, progress=False)
    half = fit("sin", hidden=32, epochs=15, progress=False)
    rest = fit("sin", hidden=32, epochs=15, progress=False, state=half.state)
    for found, wanted in zip(rest.params, whole.params, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert rest.state.step == whole.state.step
    assert half.history.loss + rest.history.loss == whole.history.loss


def test_divergence_is_named_and_nothing_is_lost() -> None:
    """Divergence is a sentence with the rate, what to try, and the last good fit."""
    with pytest.raises(Diverged, match=r"SGD at learning rate 5.*try 0\.5 or solver='adam'") as caught:
        fit("square", hidden=64, epochs=50, solver="sgd", learning_rate=5, progress=False)
    last = caught.value.fit
    assert last is not None
    assert all(np.isfinite(p).all() for p in last.params)
    assert last.metrics["status"] == "diverged"


def test_a_blow_up_within_the_first_epoch_is_seen() -> None:
    """A blow-up is judged by the scale of the data, however large the first loss is already."""
    with pytest.raises(Diverged):
        fit("x", learning_rate=1e6, epochs=5, progress=False)


@pytest.mark.parametrize("rate", [1e30, 1e38])
def test_divergence_in_the_last_update_is_seen(rate: float) -> None:
    """Losses are taken before each update; what the last one did is looked at too."""
    with pytest.raises(Diverged) as caught:
        fit("sin", hidden=8, epochs=1, n=50, batch_size=1000, solver="sgd", learning_rate=rate, progress=False)
    assert caught.value.fit is not None
    assert np.isfinite(caught.value.fit.metrics["mse"])


def test_a_long_run_draws_its_order_in_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order drawn in stretches has the same bits, so that long runs need not draw all of it first."""
    whole = fit("sin", hidden=8, epochs=12, n=50, progress=False)
    monkeypatch.setattr("relufit.solvers.slices.ORDER_ELEMENTS", 40 * 5)
    parts = fit("sin", hidden=8, epochs=12, n=50, progress=False)
    np.testing.assert_array_equal(parts.params.w1, whole.params.w1)
    assert parts.history.epoch[-1] == 12
    result = fit("sin", hidden=16, epochs=10**10, n=50, backend=InterruptedAfter(), progress=False)
    assert result.metrics["status"] == "interrupted"


def test_a_large_fit_is_evaluated_in_blocks() -> None:
    """200 000 samples at H = 512 would be 800 MB as one array; predict needs a fraction of that."""
    import tracemalloc

    result = fit("sin", epochs=1, progress=False)
    tracemalloc.start()
    result.predict(np.linspace(-6, 6, 200_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6


class InterruptedAfter(NumpyBackend):
    """Ctrl-C arrives in the middle of the third slice."""

    calls = 0

    def train(self, state: State, samples: Samples, *rest: Any) -> Any:
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        return super().train(state, samples, *rest)


def test_ctrl_c_returns_the_state_reached() -> None:
    """Ctrl-C returns the state reached, with its history, and says so."""
    result = fit("sin", hidden=16, epochs=1000, backend=InterruptedAfter(), progress=False)
    assert result.metrics["status"] == "interrupted"
    assert result.metrics["epochs"] == len(result.history.loss) == result.history.epoch[-1] > 0
    assert np.isfinite(result.metrics["mse"])


def test_predict_keeps_the_shape_of_x(sine: Fit) -> None:
    """The answer has the shape of x, be it a number, a vector or a column; what does not fit is refused."""
    assert np.shape(sine.predict(0.5)) == ()
    assert sine.predict([0.0, 1.0]).shape == (2,)
    assert sine.predict(np.zeros((5, 1))).shape == (5, 1)
    for bad in (np.zeros((5, 2)), "a", [[1], [2, 3]], None, [1.0, None], 1j, np.array([1j]), [10**400]):
        with pytest.raises(RelufitError, match=r"real numbers|column"):
            sine.predict(bad)


@pytest.mark.parametrize("rows", [4, 300])
def test_where_x_is_not_finite_the_answer_is_the_limit(sine: Fit, rows: int) -> None:
    """An infinite x gives the limit, nan gives nan; neither warns or changes other rows."""
    x = np.linspace(-6, 6, rows)
    far = sine.predict([1e12, -1e12])
    for predict in (sine.predict, sine.to_numpy_function()):
        found = predict(np.append(x, [np.nan, np.inf, -np.inf]))
        assert np.isnan(found[rows])
        np.testing.assert_array_equal(found[rows + 1 :], far * np.inf)
        assert predict(np.inf) == far[0] * np.inf
        np.testing.assert_allclose(found[:rows], predict(x), rtol=0, atol=1e-12)
        np.testing.assert_allclose(predict(np.append(x, -1e14))[:rows], predict(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_errors_may_be_beyond_float32(dtype: str) -> None:
    """An error of exp(50) squared, 1e43, stands in the history, of one network and of many."""
    settings: dict[str, Any] = QUICK | {"domain": (-50, 50), "dtype": dtype, "epochs": 3}
    alone, (one,) = fit("exp(x)", **settings), fit_many(["exp(x)"], **settings)
    assert alone.history.loss == one.history.loss
    assert all(1e39 < loss < 1e42 for loss in alone.history.loss)
    assert all(1e39 < error < 1e42 for error in alone.history.test_mse)


def test_the_bytes_of_a_fit_grow_with_all_that_it_holds() -> None:
    """The estimate of memory grows with every size, and is near the 0.8 GB measured for Adam with a million units."""
    one = training_bytes(Sizes(800, 1, 10**6, 1), 4, 2)
    assert 0.6e9 < one < 0.8e9
    for more in (
        training_bytes(Sizes(800, 1, 2 * 10**6, 1), 4, 2), training_bytes(Sizes(800, 1, 10**6, 2), 4, 2),
        training_bytes(Sizes(800, 1, 10**6, 1), 4, 2, 3),
        training_bytes(Sizes(800, 1, 10**6, 1), 8, 2), training_bytes(Sizes(800, 9, 10**6, 1), 4, 2),
    ):  # fmt: skip
        assert more > one
    assert training_bytes(Sizes(800, 1, 10**6, 1), 4, 0) < one


def test_a_state_that_is_no_network_is_refused() -> None:
    """A state whose weights do not form a network, or whose moments do not match them, is refused."""
    state = fit("sin", hidden=8, epochs=1, progress=False).state
    wrong = [
        state._replace(params=state.params._replace(b1=state.params.b1[:3])),
        state._replace(params=state.params._replace(b1=[0.0] * 8)),
        state._replace(params=state.params._replace(w2=state.params.w2 * np.nan)),
        state._replace(params=state.params._replace(b1=state.params.b1.astype(np.float64))),
        state._replace(moments=(state.moments[0], state.moments[0]._replace(b1=state.params.b1[:3]))),
        state._replace(moments=state.moments[:1]),
    ]
    for other in wrong:
        with pytest.raises(RelufitError):
            fit("sin", hidden=8, epochs=1, progress=False, state=other)


def test_a_state_of_another_network_is_refused() -> None:
    """A state of other sizes, another dtype or another optimizer is refused."""
    state = fit("sin", hidden=8, epochs=1, progress=False).state
    for options in ({"hidden": 9}, {"hidden": 8, "dtype": "float64"}, {"hidden": 8, "solver": "sgd"}):
        with pytest.raises(RelufitError):
            fit("sin", epochs=1, progress=False, state=state, **options)


PUBLISHED = Path(__file__).parents[3] / "results" / "tables" / "throughput.csv"
CASE = ("machine", "threads", "allocations", "run", "batch", "samples", "hidden", "dtype", "optimizer")
LITTLE: dict[str, Any] = {"hidden": 8, "epochs": 1, "n": 40, "progress": False}


def test_auto_has_the_order_of_the_published_times() -> None:
    """Each backend of AUTO takes less time for a step than the next; no other on the CPU is faster than the first."""
    cases: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    with PUBLISHED.open(newline="") as file:
        for row in csv.DictReader(file):
            if (row["work"], row["status"]) == ("step", "OK") and row["backend"] in backends.TABLE:
                cases[tuple(row[name] for name in CASE)][row["backend"]] = float(row["median_us"])
    assert len(cases) > 50
    for faster, slower in pairwise(AUTO):
        ratios = [case[faster] / case[slower] for case in cases.values() if {faster, slower} <= case.keys()]
        assert np.exp(np.mean(np.log(ratios))) < 1, (faster, slower)
    for case in cases.values():
        others = [microseconds for name, microseconds in case.items() if name not in AUTO]
        assert case[AUTO[0]] < min(others, default=np.inf)


def without(libraries: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let backends of these libraries be unavailable; return the list of names that `fit` will have loaded."""
    loaded: list[str] = []
    load = backends.load

    def limited(name: str) -> Backend:
        loaded.append(name)
        if backends.row(name).library in libraries:
            raise BackendUnavailable(f"no {backends.row(name).library}")
        return load(name)

    monkeypatch.setattr("relufit.solvers.training.load", limited)
    return loaded


def test_auto_takes_the_first_that_can_and_says_why_not_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without numba, numpy-hinge fits one input and numpy several; no GPU, torch or jax is tried."""
    loaded = without(("numba",), monkeypatch)
    one = fit("sin", backend="auto", **LITTLE).metrics
    assert (one["backend"], one["passed_over"]) == ("numpy-hinge", {"numba-hinge": "no numba", "numba": "no numba"})
    x = np.random.default_rng(0).uniform(-1, 1, (30, 2))
    two = fit(x, x[:, 0], backend="auto", hidden=8, epochs=1, progress=False).metrics
    assert two["backend"] == "numpy"
    assert list(two["passed_over"]) == ["numba-hinge", "numba", "numpy-hinge"]
    assert "needs one input (D = 1), not 2" in two["passed_over"]["numpy-hinge"]
    assert set(loaded) == set(AUTO)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_auto_stands_for_its_backends_in_a_list(solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list may prefer a device and leave the rest to auto."""
    without(("numba", "cupy"), monkeypatch)
    metrics = fit("sin", solver=solver, backend=["cupy-train", "auto"], **LITTLE).metrics
    assert metrics["backend"] == "numpy-hinge"
    assert metrics["passed_over"] == {"cupy-train": "no cupy", "numba-hinge": "no numba", "numba": "no numba"}


def test_what_was_passed_over_survives_json_and_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """The metrics are plain values, and each fit has its own."""
    without(("cupy",), monkeypatch)
    first, second = fit_many("sin", seeds=[0, 1], backend=["cupy", "numpy"], **LITTLE)
    for metrics in (json.loads(json.dumps(first.metrics)), pickle.loads(pickle.dumps(first)).metrics):
        assert metrics["passed_over"] == {"cupy": "no cupy"}
    first.metrics["passed_over"].clear()
    assert second.metrics["passed_over"] == {"cupy": "no cupy"}
    assert fit("sin", **LITTLE).metrics["passed_over"] == {}


def test_a_single_backend_that_cannot_run_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """One name has nothing to fall back on, alone or in a list."""
    without(("cupy",), monkeypatch)
    for alone in ("cupy", ["cupy"]):
        with pytest.raises(BackendUnavailable, match=r"^no cupy$"):
            fit("sin", backend=alone, **LITTLE)
    with pytest.raises(RelufitError, match="none of these backends can do this: cupy: no cupy; cupy-train: no cupy"):
        fit("sin", backend=["cupy", "cupy-train"], **LITTLE)


class Failing(NumpyBackend):
    """Raises in the middle of a training, as a device may."""

    def train(self, *arguments: Any) -> Any:
        raise OSError("the device is lost")


def test_a_failure_during_training_is_no_reason_to_pass_over() -> None:
    """What fails while it trains is an error, although another backend is named."""
    with pytest.raises(OSError, match="the device is lost"):
        fit("sin", backend=[Failing("failing"), "numpy"], **LITTLE)
