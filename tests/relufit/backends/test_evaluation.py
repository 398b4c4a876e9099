"""A polyline by the compiled loop and by numpy: the same bits, whichever is used."""

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from relufit import BackendUnavailable, PiecewiseLinear
from relufit.backends import evaluation
from relufit.backends.evaluation import Evaluation
from relufit.network.params import Sizes
from relufit.network.sorted.polyline import Polyline, polyline_of
from relufit.testing.problems import problem

GEOMETRIC = np.geomspace(1e-9, 1, 300)  # nearly all breaks in one cell
BREAKS = {
    "even": np.linspace(-2, 3, 40),
    "crowded": np.concatenate([-GEOMETRIC[::-1], [0.0], GEOMETRIC]),
    "one piece": np.array([-0.5, 0.75]),
    "narrow": 1 + np.arange(5) * 2.0**-52,
    "far": np.array([-1e300, -1.0, 0.0, 1e300]),
    "denormal": np.array([0.0, 5e-324, 1e-320]),
}


def points(line: Polyline) -> np.ndarray:
    """Places inside, at and beside breaks, outside, and those that are not finite."""
    rng, low, high = np.random.default_rng(0), line.x[0], line.x[-1]
    with np.errstate(over="ignore"):
        beside = [np.nextafter(line.x, end) for end in (-np.inf, np.inf)]
        inside = low + (high - low) * np.concatenate([rng.random(500), GEOMETRIC])
    return np.concatenate(
        [inside, rng.normal(size=200), line.x, *beside, [np.nan, np.inf, -np.inf, 1e308, -1e308, -0.0]]
    )


def demand_same_bits(line: Polyline) -> None:
    """Fail unless the compiled loop and numpy give equal values."""
    table = pytest.importorskip("relufit.backends.numba.pieces", reason="numba is not installed").PieceTable(line)
    x = points(line)
    wanted = line.at(x)
    np.testing.assert_array_equal(table.at(x), wanted)
    x.flags.writeable = False
    np.testing.assert_array_equal(table.at(x), wanted)
    np.testing.assert_array_equal(table.at(np.repeat(x, 2)[::2, None]), wanted)
    assert table.at(np.empty(0)).shape == (0, line.y.shape[1])


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("outputs", [1, 3])
def test_both_give_the_same_bits(name: str, outputs: int) -> None:
    """Wherever the breaks are and however crowded the cells, for any x."""
    x = BREAKS[name]
    y = np.random.default_rng(1).normal(size=(len(x), outputs)) * min(1.0, np.diff(x).min() * 1e300)
    demand_same_bits(PiecewiseLinear(x, y, left_slope=0.0)._evaluate.line)


@pytest.mark.parametrize("domain", [(-6.0, 6.0), (1.0, 2.0), (30.0, 31.0), (-31.0, -30.0)])
def test_both_agree_where_knots_are_outside_the_domain(domain: tuple[float, float]) -> None:
    """Pieces left of the domain are evaluated from their right end by both."""
    params, _, _ = problem(Sizes(8, 1, 50, 2), "float64")
    demand_same_bits(polyline_of(params, *domain))


def test_numpy_is_used_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where numba cannot be loaded, many points are evaluated all the same."""

    def refuse(name: str) -> Any:
        raise BackendUnavailable("numba is not installed")

    evaluation._loop.cache_clear()
    monkeypatch.setattr(evaluation, "create", refuse)
    function = PiecewiseLinear([0.0, 1.0], [0.0, 1.0])
    x = np.linspace(0, 1, evaluation.MANY)
    np.testing.assert_array_equal(function(x), x)
    evaluation._loop.cache_clear()


def test_few_points_import_no_numba() -> None:
    """Importing numba takes longer than evaluating some points, so only many points do it."""
    code = (
        "import sys, numpy as np; from relufit import PiecewiseLinear; f = PiecewiseLinear([0, 1], [0, 1]);"
        "f(np.zeros(1000)); print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_pickle_holds_no_table() -> None:
    """A pickle is as long before a table is made as after, and evaluates alike."""
    evaluate = Evaluation(PiecewiseLinear(BREAKS["even"], np.sin(BREAKS["even"]))._evaluate.line)
    before, x = pickle.dumps(evaluate), np.zeros(evaluation.MANY)
    wanted = evaluate(x)
    assert pickle.dumps(evaluate) == before
    np.testing.assert_array_equal(pickle.loads(before)(x), wanted)
