"""The metrics of a fit: by name and by attribute, and R^2, which shows a useless fit."""

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from relufit import Metrics, fit, fit_many
from relufit.network.metrics import r_squared, variance
from relufit.solvers.spline import fit_cells
from relufit.spline.moments.cells import merge_sorted


def test_a_metric_is_an_attribute_and_an_item() -> None:
    """Metrics that exist are items; those that do not are None as attributes and missing as items."""
    found = fit("sin(x)", hidden=8).metrics
    assert found.mse == found["mse"] == dict(found)["mse"] == found.get("mse")
    assert "mse" in found
    assert "alpha" not in found
    assert found.alpha is None
    assert list(found)[:3] == ["hidden", "solver", "status"]
    assert len(found) == len(list(found)) == len(json.loads(json.dumps({**found})))
    for name in ("alpha", "nosuch", "get", "__len__"):
        with pytest.raises(KeyError):
            found[name]


def test_metrics_do_not_change() -> None:
    """A metric cannot be set; a fit with another one is another fit."""
    found = fit("sin(x)", hidden=8)
    with pytest.raises(FrozenInstanceError):
        found.metrics.mse = 0.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        found.metrics["mse"] = 0.0  # type: ignore[index]
    assert found.with_metrics(rows=3).metrics == {**found.metrics, "rows": 3}
    assert Metrics(3) == Metrics(3, passed_over={}) or np.isnan(Metrics(3).mse)


@pytest.mark.parametrize(
    ("text", "domain"), [("sin(x)", (-6, 3)), ("exp(-10000*(x - 0.3)**2)", (-100, 100)), ("1e6 + step(x)", (-1, 3))]
)
def test_r_squared_of_a_function_is_over_its_domain(text: str, domain: tuple[float, float]) -> None:
    """R^2 is 1 - mse / variance, with the variance of the function on half a million places, however narrow it is."""
    for solver, more in (("spline", {"hidden": 1}), ("adam", {"hidden": 4, "epochs": 1})):
        found = fit(text, domain=domain, solver=solver, progress=False, **more)  # type: ignore[arg-type]
        edges = np.linspace(*domain, 500_001)
        wanted = 1 - found.metrics.mse / np.var(found.target((edges[1:] + edges[:-1]) / 2))  # type: ignore[misc]
        assert found.metrics.r2 == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_r_squared_of_data_is_that_of_their_columns() -> None:
    """With weights and several outputs, the variance is about the weighted mean of each column."""
    rng = np.random.default_rng(0)
    x, weight = np.linspace(0, 1, 90), rng.uniform(0, 3, 90)
    y = np.stack([1e3 + x, 5 * x**2 - 7], axis=1)
    found = fit(x, y, weight=weight, hidden=3, epochs=2, solver="lbfgs", progress=False).metrics
    spread = [np.average((c - np.average(c, weights=weight)) ** 2, weights=weight) for c in y.T]
    assert found.r2 == pytest.approx(1 - found.mse / np.mean(spread), rel=1e-12)
    one = fit(x, y[:, 1], hidden=2).metrics
    assert one.r2 == pytest.approx(1 - one.mse / np.var(y[:, 1]), rel=1e-12)
    many = fit_many(x, y, hidden=3, epochs=2, progress=False)[1].metrics
    assert many.r2 == pytest.approx(1 - many.mse / np.var(y[:, 1]), rel=1e-12)


def test_r_squared_of_cells_is_that_of_their_samples() -> None:
    """The variance of a table summed into cells includes that within the cells."""
    x = np.repeat(np.arange(20.0), 5)
    y = np.sin(x) + np.tile(np.linspace(-1, 1, 5), 20)
    found = fit_cells(merge_sorted(x[:, None], y[:, None], None), hidden=9)
    assert found.metrics.r2 == pytest.approx(1 - found.metrics.mse / np.var(y), rel=1e-9)


def test_a_useless_fit_shows() -> None:
    """The best constant has R^2 0, a worse one less; what does not vary has none."""
    x = np.linspace(-3, 3, 99)
    assert fit(x, np.sin(50 * x), hidden=2, epochs=1, progress=False).metrics.r2 < 0.1
    assert fit("x", hidden=1).metrics.r2 == pytest.approx(1)
    for level in (0.0, 5.1, 1e17):
        assert np.isnan(fit(x, np.full(99, level), hidden=1).metrics.r2)
        assert np.isnan(fit(lambda x, level=level: level, hidden=1).metrics.r2)
    assert np.isnan(r_squared(1.0, variance(np.full((3, 1), 0.1))))
