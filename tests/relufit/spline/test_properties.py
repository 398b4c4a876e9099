"""What holds for every fit by a spline: of random tables and functions, 30 cases each, and many more where slow.

The error is the one that is claimed; it is never that of knots that nothing was searched for, nor of fewer units.
"""

from collections.abc import Iterable

import numpy as np
import pytest
from random_targets import plain_error, random_function, random_table, sampled

from relufit import Fit, Target, fit

# Of ten random cases each: what is always tested, and what is tested too where slow tests are.
BLOCKS = [pytest.param(block, marks=[pytest.mark.slow] * (block >= 3)) for block in range(10)]
UNITS = np.array([1, 2, 3, 5, 8, 12, 16, 24, 25, 32, 48, 64, 99, 100, 101, 128, 160, 200, 256, 400, 512])


def spline(x: np.ndarray | Target, *more: np.ndarray | None, hidden: int) -> Fit:
    return fit(x, *more, solver="spline", hidden=hidden, **({} if isinstance(x, Target) else {"test_fraction": 0}))


def faults_of_table(seed: int, decades: float) -> str | None:
    """What is wrong with the fit of a random table; None if nothing is."""
    table = random_table(seed, decades)
    found = fit(table.x, table.y, solver="spline", hidden=table.hidden, weight=table.weight, test_fraction=0)
    claimed, error = found.history.loss[-1], table.mean_square(found.predict(table.x) - table.y)
    if abs(claimed - error) > 1e-4 * error + 100 * table.rounding:
        return f"table {seed}: claims {claimed:.6g} and leaves {error:.6g}"
    plain = plain_error(table)
    if error > plain * (1 + 1e-6) + table.rounding:
        return f"table {seed}, {table.hidden} units: leaves {error:.6g}, plain knots {plain:.6g}"
    return None


def faults_by_units(seed: int, data: tuple[np.ndarray, np.ndarray] | None, target: Target, count: int) -> str | None:
    """What is wrong with fits by more and more units."""
    rng = np.random.default_rng(seed)
    most = 512 if data is None else len(data[0]) - 2
    units = np.sort(rng.choice(UNITS[most >= UNITS], min(count, int((most >= UNITS).sum())), replace=False))
    variance = float((target(np.linspace(-1, 1, 20001)) if data is None else data[1]).var())
    best = np.inf
    for hidden in units:
        found = spline(target, hidden=int(hidden)) if data is None else spline(*data, hidden=int(hidden))
        error = found.metrics["mse"]
        if error > 1.02 * best + 1e-14 * variance:
            return f"{target.name}, seed {seed}, {hidden} units of {units}: leaves {error:.6g}, fewer {best:.6g}"
        best = min(best, error)
    return None


def none_of(faults: Iterable[str | None], most: int = 0) -> None:
    """Assert that there are no faults, or at most `most`."""
    found = [fault for fault in faults if fault is not None]
    assert len(found) <= most, "\n".join(found)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_table_is_fitted_as_claimed_and_better_than_by_plain_knots(block: int) -> None:
    """The reported error is that of `predict`, and at most that of equidistant knots and of quantiles."""
    none_of(faults_of_table(seed, 3.0) for seed in range(10 * block, 10 * block + 10))


def test_a_spike_between_neighbouring_floats_is_not_claimed() -> None:
    """Of 28 576 samples, 10^11 from 0 and some steps of their floats apart: a network has no knots as dense."""
    assert faults_of_table(2868, 5.0) is None


@pytest.mark.slow
@pytest.mark.parametrize("block", range(40))
def test_large_tables_are_fitted_as_claimed_and_better_than_by_plain_knots(block: int) -> None:
    """Errors of 2000 tables of up to 10^5 samples are as reported, and at most those of plain knots."""
    none_of(faults_of_table(seed, 5.0) for seed in range(1000 + 50 * block, 1050 + 50 * block))


@pytest.mark.parametrize("block", BLOCKS)
def test_more_units_of_a_function_are_not_worse(block: int) -> None:
    """The error of a function is at most 2 % above the least error with fewer units."""
    none_of(faults_by_units(seed, None, random_function(seed), 2) for seed in range(10 * block, 10 * block + 10))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(30))
def test_many_more_units_of_a_function_are_not_worse(block: int) -> None:
    """For 300 functions and 9 numbers of units, more units are worse in at most one in ten."""
    seeds = range(500 + 10 * block, 510 + 10 * block)
    none_of((faults_by_units(seed, None, random_function(seed), 9) for seed in seeds), most=1)


@pytest.mark.parametrize("block", BLOCKS)
def test_more_units_of_a_table_are_not_worse(block: int) -> None:
    """The error of a table is at most 2 % above the least error with fewer units, with noise and without."""
    targets = {seed: random_function(seed) for seed in range(10 * block, 10 * block + 10)}
    none_of(faults_by_units(seed, sampled(target, seed, 3.0), target, 2) for seed, target in targets.items())


@pytest.mark.slow
@pytest.mark.parametrize("block", range(30))
def test_many_more_units_of_a_table_are_not_worse(block: int) -> None:
    """For 300 tables of up to 10^4 samples and 9 numbers of units, more units are worse in at most one in ten."""
    targets = {seed: random_function(seed) for seed in range(500 + 10 * block, 510 + 10 * block)}
    faults = (faults_by_units(seed, sampled(target, seed, 4.0), target, 9) for seed, target in targets.items())
    none_of(faults, most=1)


def test_more_units_leave_a_jump_as_it_is() -> None:
    """A jump is one piece of the same width for any number of units."""
    target = random_function(529)  # a square wave with one jump
    errors = [spline(target, hidden=hidden).metrics["mse"] for hidden in range(2, 14)]
    np.testing.assert_allclose(errors, errors[0], rtol=1e-3)


@pytest.mark.parametrize(("seed", "units"), [(533, (48, 99)), (553, (100, 160)), (572, (64, 99)), (589, (128, 160))])
def test_where_few_pieces_have_most_of_the_error_all_samples_are_a_start(seed: int, units: tuple[int, int]) -> None:
    """More units do not increase the error on spikes and saws in tables of 800 to 1900 samples."""
    target = random_function(seed)
    data = sampled(target, seed, 4.0)
    fewer, more = (spline(*data, hidden=hidden).metrics["mse"] for hidden in units)
    assert more <= 1.02 * fewer + 1e-14 * data[1].var()


@pytest.mark.parametrize("seed", range(100))
def test_a_line_is_a_line_a_hundred_lengths_outside(seed: int) -> None:
    """The fit of a line continues as that line on both sides, for any number of units."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, rng.integers(2, 200)) * 10 ** rng.uniform(-6, 6)
    x += rng.choice([0.0, 1.0, -1.0]) * 10 ** rng.uniform(0, 6) * np.ptp(x)
    slope, constant = rng.normal(size=2) * 10 ** rng.uniform(-3, 3, 2)
    found = spline(x, slope * x + constant, hidden=int(rng.integers(1, len(x))))
    far = np.array([x.min() - 100 * np.ptp(x), x.max() + 100 * np.ptp(x)])
    scale = np.abs(slope) * np.abs(far).max() + abs(constant)
    np.testing.assert_allclose(found.predict(far), slope * far + constant, atol=1e-9 * scale)
