"""`fit` by gradients: what is learned, resuming, divergence, Ctrl-C, and states that do not fit."""

from typing import Any

import numpy as np
import pytest

from relufit import SGD, Adam, Diverged, Fit, Momentum, RelufitError, Sizes, State, fit, fit_many, targets
from relufit.backend import Samples
from relufit.backends.numpy import NumpyBackend
from relufit.solvers.training import training_bytes

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
    expected = {"status": "finished", "solver": "adam", "backend": "numpy", "hidden": 512}
    assert {**sine.metrics, **expected} == sine.metrics
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
