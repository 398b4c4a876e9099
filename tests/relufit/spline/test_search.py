"""The best spline: against MSE*, pwlf's global optima, long multi-starts and equidistant knots."""

import tracemalloc

import numpy as np
import pytest

from relufit import targets
from relufit.network.scaling import Scaling
from relufit.solvers.spline import function_pieces
from relufit.spline.least_squares import solve
from relufit.spline.moments.cells import merge_sorted
from relufit.spline.moments.functions import FunctionPieces
from relufit.spline.moments.pieces import Pieces
from relufit.spline.moments.samples import DataPieces
from relufit.spline.newton import improve
from relufit.spline.search import best_spline
from relufit.spline.selection import data_pieces
from relufit.spline.units import closure_of, closures
from relufit.theory import asymptotic_mse

PI2 = 2 * np.pi
NONE = np.empty(0)


def scaling_of(target: targets.Target) -> Scaling:
    x = np.linspace(*target.domain, 1001)[:, None]
    return Scaling.of(x, target(x))


def as_function(target: targets.Target) -> tuple[FunctionPieces, float]:
    """A target as FunctionPieces, and its loss unit."""
    scaling = scaling_of(target)
    return function_pieces(target, scaling), scaling.loss_unit


def as_table(target: targets.Target, samples: int) -> tuple[DataPieces, float]:
    """Samples of a target as DataPieces, in order and not at random, and their loss unit."""
    x = np.linspace(*target.domain, samples)[:, None]
    noise = np.random.default_rng(0).normal(0, target.noise, x.shape) if target.noise else 0.0
    scaling = Scaling.of(x, target(x) + noise)
    return data_pieces(merge_sorted(x, target(x) + noise), scaling), scaling.loss_unit


def mse(found: tuple[Pieces, float], hidden: int) -> float:
    pieces, unit = found
    return best_spline(pieces, hidden).spline.mse * unit


# MSE*(512) by the formula of de Boor: (integral of |f''|^(2/5))^5 / (720 H^4 (b - a)).
ASYMPTOTIC = {"sin": 1.6273e-10, "square": 2.0158e-9, "exp": 4.3582e-8, "runge": 4.1299e-12}


@pytest.mark.parametrize(
    ("name", "hidden", "ratio"),
    [
        ("sin", 512, 0.995), ("sin", 256, 0.985), ("sin", 128, 0.965), ("square", 512, 1.005), ("square", 128, 1.005),
        ("exp", 512, 1.005), ("exp", 128, 1.005), ("runge", 512, 1.0), ("runge", 128, 1.0), ("runge", 64, 1.0),
    ],
)  # fmt: skip
def test_it_is_at_the_asymptotic_value_or_below(name: str, hidden: int, ratio: float) -> None:
    """The error of the best spline is at most `ratio` times the asymptotic value."""
    asymptotic = ASYMPTOTIC[name] * (512 / hidden) ** 4
    assert mse(as_function(targets.ZOO[name]), hidden) <= ratio * asymptotic


@pytest.mark.parametrize("text", ["tanh(3*x)", "1/(1 + exp(-5*x))", "exp(-x**2)"])
@pytest.mark.parametrize("hidden", [128, 512])
def test_where_a_function_is_nearly_flat_too(text: str, hidden: int) -> None:
    """The best spline is also found if knots in flat tails hardly change the error."""
    target = targets.parse(text, (-PI2, PI2))
    asymptotic = asymptotic_mse(target, hidden).value
    assert asymptotic is not None
    assert mse(as_function(target), hidden) <= 0.995 * asymptotic


# What searches a hundred times as long have found, as mean squares of standardised functions.
LONGEST = {
    ("x**3", (-1, 2), 10): 3.64993783e-5, ("sin(x) + x/3", (0, 10), 24): 8.90958039e-6,
    ("1/(1 + x**2)", (-5, 4), 24): 9.0780264e-6, ("exp(-x)*sin(5*x)", (0, 5), 9): 2.34046225e-3,
    ("exp(sin(2*x))", (-PI2, PI2), 48): 4.5268775e-5, ("exp(-x**2)", (-PI2, PI2), 32): 1.8930349e-6,
    ("x*sin(5*x)", (-2, 3), 4): 0.25021379, ("atan(50*x)", (-2, 3), 7): 1.6781849e-5,
    ("sin(x**2)", (0, 4), 9): 8.3604875e-3, ("tanh(3*x)", (-4, 5), 9): 5.5131073e-6,
    ("1/(1+25*x**2)", (-1, 1), 5): 2.9702028e-3, ("log(x)", (0.01, 1), 12): 1.6362915e-5,
    # Where a function is not smooth, the best knots need not stand there.
    ("abs(x)", (-1, 2), 1): 0.15250922, ("sqrt(abs(x))", (-1, 2), 8): 5.1973964e-4,
    ("exp(x) + 0.01*step(x)", (-3, 3), 4): 8.9471028e-4, ("cbrt(x)", (-2, 1), 2): 6.1458254e-3,
    ("cbrt(x)", (-2, 1), 7): 5.5198315e-5, ("max(0, 1 - x**2)", (-2, 2.5), 3): 1.1705533e-2,
    ("max(0, 1 - x**2)", (-2, 2.5), 24): 5.6529467e-7, ("abs(sin(3*x))", (-3, 3), 6): 0.77961952,
    ("sin(x) + 0.2*abs(x)", (-5, 6), 16): 7.3122576e-5, ("sin(x) + 0.05*floor(x)", (0.2, 5.7), 11): 2.261076e-4,
    ("abs(sin(3*x)) + x", (-6, 6), 11): 3.258543e-3,
}  # fmt: skip


@pytest.mark.parametrize(("text", "domain", "hidden"), LONGEST)
def test_a_long_search_finds_nothing_better(text: str, domain: tuple[float, float], hidden: int) -> None:
    """A long search finds splines at most 0.3 % better."""
    pieces, _ = as_function(targets.parse(text, domain))
    assert best_spline(pieces, hidden).spline.mse <= 1.003 * LONGEST[text, domain, hidden]


@pytest.mark.parametrize(("name", "global_optimum"), [("sin", 2.133e-3), ("square", 3.396e-2)])
def test_eight_units_are_not_above_the_global_optimum_of_eight_pieces(name: str, global_optimum: float) -> None:
    """On 1000 points, eight units are as good as the result of pwlf's differential evolution."""
    assert mse(as_table(targets.ZOO[name], 1000), 8) <= global_optimum


@pytest.mark.parametrize("text", ["sin(x)", "x**2", "exp(x)", "sin(3*x) + 0.5*cos(7*x)", "1/(1 + x**2) + 0.1*sin(9*x)"])
@pytest.mark.parametrize("hidden", [1, 2, 3, 5, 9, 20])
def test_a_multi_start_finds_nothing_better(text: str, hidden: int) -> None:
    """Newton's method from 24 random sets of knots finds splines at most 0.3 % better."""
    pieces, _ = as_function(targets.parse(text, (-3, 3.1)))
    found, rng = best_spline(pieces, hidden).spline.squares, np.random.default_rng(hidden)
    best = np.inf
    for _ in range(24):
        inner = np.sort(rng.uniform(pieces.low, pieces.high, hidden))
        knots = np.concatenate([[pieces.low], inner, [pieces.high]])
        wide = improve(solve(pieces, knots), NONE)
        for left in closures(wide.slopes)[:2]:
            best = min(best, improve(solve(pieces, wide.knots, closure_of(left)), NONE).squares)
    assert found <= 1.003 * best


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("log(x)", (1e-9, 1)),
        ("x**0.1", (0, 1)),
        ("1/x", (1e-3, 1)),
        ("tanh(1000*x)", (-1, 1)),
        ("exp(-10000*x**2)", (-1, 1)),
        ("exp(x)", (-50, 50)),
    ],
)
@pytest.mark.parametrize("hidden", [64, 512])
def test_where_nearly_all_happens_in_a_small_part(text: str, domain: tuple[float, float], hidden: int) -> None:
    """The spline is not worse than one with knots by density after many rounds."""
    pieces, _ = as_function(targets.parse(text, domain))
    nodes = np.linspace(pieces.low, pieces.high, 20_001)
    for _ in range(25):
        share = np.cumsum(np.append(0.0, (pieces.moments(nodes).rest + 1e-300) ** 0.2 + 1e-7))
        nodes = np.unique(np.interp(np.linspace(0, share[-1], 20 * hidden + 1), share, nodes))
    by_shares = solve(pieces, np.union1d(nodes[::20], nodes[-1:]))
    assert best_spline(pieces, hidden).spline.squares <= 1.03 * by_shares.squares


@pytest.mark.parametrize("name", targets.ZOO)
@pytest.mark.parametrize("hidden", [1, 5, 16, 200])
@pytest.mark.parametrize("samples", [None, 1000])
def test_it_is_never_worse_than_equidistant_knots(name: str, hidden: int, samples: int | None) -> None:
    """The spline is not worse than one with equidistant knots, for every function of the zoo and its tables."""
    target = targets.ZOO[name]
    pieces, _ = as_function(target) if samples is None else as_table(target, samples)
    equidistant = solve(pieces, np.linspace(pieces.low, pieces.high, hidden + 1))
    assert best_spline(pieces, hidden).spline.squares <= equidistant.squares * (1 + 1e-9) + 1e-15 * pieces.mass


def test_small_jumps_of_a_table_are_not_worth_knots() -> None:
    """With few units, a small jump in a table gets no knots."""
    x = np.linspace(-3, 3, 1001)
    y = np.exp(x) + 0.3 * (x >= 0.003)
    scaling = Scaling.of(x[:, None], y[:, None])
    found = [best_spline(data_pieces(merge_sorted(x, y), scaling), hidden).spline.mse for hidden in (2, 3, 4, 6)]
    smooth = [
        best_spline(data_pieces(merge_sorted(x, np.exp(x)), scaling), hidden).spline.mse for hidden in (2, 3, 4, 6)
    ]
    jump = 0.3**2 / 12 / scaling.loss_unit  # what may be left of it, where no knots stand there
    assert all(with_jump <= 1.05 * without + jump for with_jump, without in zip(found, smooth, strict=True))
    assert (np.diff(found) < 0).all()


def test_a_million_samples_at_random_are_fitted_as_the_function_is() -> None:
    """Slopes between samples that almost coincide, which are rounding, do not count as kinks."""
    x = np.sort(np.random.default_rng(0).uniform(-6, 6, 10**6))[:, None]
    scaling = Scaling.of(x, np.exp(x))
    table = data_pieces(merge_sorted(x, np.exp(x)), scaling)
    function = function_pieces(targets.parse("exp(x)", (-6, 6)), scaling)
    assert len(table.suspects) < 10
    for hidden in (33, 128):
        assert best_spline(table, hidden).spline.mse <= 1.01 * best_spline(function, hidden).spline.mse


def test_a_hundred_jumps_are_exact() -> None:
    """Two units for each of the 101 jumps of a staircase, or more, fit it exactly."""
    pieces, _ = as_function(targets.parse("floor(x)", (-50.5, 50.5)))
    assert len(pieces.jumps[0]) == 101
    assert best_spline(pieces, 200).spline.mse > 1e-6
    for hidden in (202, 400):
        assert best_spline(pieces, hidden).spline.mse < 1e-9


@pytest.mark.parametrize("hidden", [9000, 30_000])
def test_many_thousand_units_take_little_memory(hidden: int) -> None:
    """For many thousand units, knots are placed by density, because lines would need gigabytes."""
    pieces, unit = as_function(targets.SIN)
    tracemalloc.start()
    found = best_spline(pieces, hidden).spline
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.mse * unit <= 1.003 * ASYMPTOTIC["sin"] * (512 / hidden) ** 4
    assert peak < 3e8


@pytest.mark.parametrize("hidden", [2, 3, 8, 64, 512])
def test_a_kink_and_a_step_are_exact(hidden: int) -> None:
    """|x|, as a function and as a table, and a step as a table, are fitted to a mean square of 1e-12."""
    assert mse(as_function(targets.ABS), hidden) < 1e-12
    for samples in (1000, 1001, 10_000):
        assert mse(as_table(targets.ABS, samples), hidden) < 1e-12
    assert mse(as_table(targets.STEP, 1000), hidden) < 1e-12


def test_more_units_are_never_worse() -> None:
    """More units do not increase the error on a table with a steep stretch."""
    x = np.linspace(-PI2, PI2, 300)[:, None]
    y = np.tanh(20 * x)
    pieces = data_pieces(merge_sorted(x, y), Scaling.of(x, y))
    squares = [best_spline(pieces, hidden).spline.squares for hidden in (2, 4, 8, 16, 32, 64, 128, 256)]
    for more, fewer in zip(squares[1:], squares, strict=False):
        assert more <= fewer * 1.001 + pieces.rounding * pieces.mass
    assert squares[-1] < 1e-9 * squares[0]
