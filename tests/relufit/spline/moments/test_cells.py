"""Samples summed into cells, against sums in exact fractions and over whatever chunks."""

import time
import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relufit import RelufitError
from relufit.spline.moments import cells
from relufit.spline.moments.cells import Cells, collect, merge_sorted

FIELDS = ("x", "y", "weight", "sxx", "sxy", "syy")
Sample = tuple[float, float, float]
numbers = st.integers(-8, 8).map(lambda k: k / 4) | st.floats(-1e3, 1e3, width=32)
samples = st.lists(st.tuples(numbers, numbers, st.sampled_from([0.0, 0.25, 1.0, 3.0])), min_size=1, max_size=60)


def arrays(rows: list[Sample]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples as x, y and weight, (N,) each."""
    x, y, weight = np.array(rows).T
    return x, y, weight


def exact(group: list[Sample]) -> tuple[float, ...]:
    """The fields of the cell of these samples, in fractions."""
    fractions = [tuple(map(Fraction, sample)) for sample in group]
    total = sum(w for _, _, w in fractions)
    x, y = (sum(s[i] * s[2] for s in fractions) / total for i in (0, 1))
    squares = [
        sum(s[2] * (s[i] - (x, y)[i]) * (s[j] - (x, y)[j]) for s in fractions) for i, j in ((0, 0), (0, 1), (1, 1))
    ]
    return tuple(map(float, (x, y, total, *squares)))


def check(result: Cells, groups: list[list[Sample]]) -> None:
    """Assert that the cells are those of the groups: to rounding in sums of at most 60 samples, with sizes to 1e3."""
    assert all(column.shape == (len(groups),) and column.dtype == np.float64 for column in result[:6])
    assert result.samples == sum(map(len, groups))
    assert (np.diff(result.x) > 0).all()
    for cell, group in zip(zip(*result[:6], strict=True), groups, strict=True):
        for name, found, expected in zip(FIELDS, cell, exact(group), strict=True):
            scale = max(max(abs(v) for v in sample[:2]) for sample in group)
            floor = 1e-13 * scale if name in "xy" else 1e-13 * scale**2 * sum(s[2] for s in group)
            assert found == pytest.approx(expected, rel=1e-12, abs=floor), name


def by_x(rows: list[Sample]) -> list[list[Sample]]:
    """Samples of positive weight, by their x."""
    kept = [row for row in rows if row[2] > 0]
    return [[row for row in kept if row[0] == x] for x in sorted({row[0] for row in kept})]


def cut(rows: list[Sample], cuts: list[int]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The samples in chunks that end at `cuts`; some are empty."""
    table = np.array(rows)
    for part in np.split(table, sorted(min(c, len(rows)) for c in cuts)):
        yield part[:, 0], part[:, 1], part[:, 2]


@given(samples, st.lists(st.integers(0, 60), max_size=5), st.sampled_from([1, 20, 10_000]))
def test_few_x_are_exact(rows: list[Sample], cuts: list[int], buffer: int) -> None:
    """Few distinct x are a cell each, however the samples came, and nothing else is lost."""
    groups = by_x(rows)
    if not groups:
        with pytest.raises(RelufitError, match="weight zero"):
            collect(cut(rows, cuts))
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "BUFFER", buffer)
        result = collect(cut(rows, cuts))
    check(result, groups)
    assert not result.sxx.any()
    assert not result.sxy.any()
    check(merge_sorted(*arrays(rows)), groups)


def test_the_same_x_in_many_chunks() -> None:
    """The spread of an x that was summed is kept when the same x comes again."""
    rng = np.random.default_rng(0)
    x, y, weight = rng.integers(0, 10, 1000) / 10, rng.normal(size=1000), rng.random(1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "BUFFER", 50)
        result = collect((x[i : i + 37], y[i : i + 37], weight[i : i + 37]) for i in range(0, 1000, 37))
    check(result, by_x(list(zip(x.tolist(), y.tolist(), weight.tolist(), strict=True))))


def test_a_mean_does_not_leave_its_samples() -> None:
    """The mean of a cell stays among its samples, where rounding could put it beyond the upper one."""
    top = np.nextafter(0.5, 0)
    for low in np.random.default_rng(0).uniform(0, 0.25, 200):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cells, "MOST", 2)
            result = collect([([low, top, 0.75], [1.0, 1.0, 1.0], [1e-30, 1.0, 1.0])])
        assert result.x.tolist() == [pytest.approx(top), 0.75]
        assert result.x[0] <= top


def intervals(rows: list[Sample], most: int) -> list[list[Sample]]:
    """The samples by the finest intervals of a power of two that number at most `most`."""
    kept = sorted(row for row in rows if row[2] > 0)
    for exponent in range(-160, 12):  # of the smallest 32-bit float to the largest above
        numbered = {row[0]: Fraction(row[0]) // Fraction(2) ** exponent for row in kept}
        if len(set(numbered.values())) <= most:
            return [[row for row in kept if numbered[row[0]] == i] for i in sorted(set(numbered.values()))]
    raise AssertionError("the coarsest intervals are two")


@given(samples, st.lists(st.integers(0, 60), max_size=5), st.sampled_from([1, 20, 10_000]), st.integers(2, 9))
def test_many_x_share_intervals(rows: list[Sample], cuts: list[int], buffer: int, most: int) -> None:
    """Many x share the same intervals however the samples were cut, with all six sums of each."""
    groups = by_x(rows)
    if not groups:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "MOST", most)
        patch.setattr(cells, "BUFFER", buffer)
        result = collect(cut(rows, cuts))
    check(result, groups if len(groups) <= most else intervals(rows, most))


@given(samples, st.integers(2, 9))
def test_many_x_in_memory_share_cells_of_equal_numbers(rows: list[Sample], most: int) -> None:
    """There are no more cells than may be, each with as many distinct x as others, or one more."""
    groups = by_x(rows)
    if not groups:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "MOST", most)
        result = merge_sorted(*arrays(rows))
    parts = min(most, len(groups))
    joined = [groups[i * len(groups) // parts : (i + 1) * len(groups) // parts] for i in range(parts)]
    assert {len(some) for some in joined} <= {len(groups) // parts, len(groups) // parts + 1}
    check(result, [list(chain.from_iterable(some)) for some in joined])


def test_times_do_not_cancel() -> None:
    """Seconds near 1.7e9, a few of them to a cell, keep the digits of their spreads."""
    rng = np.random.default_rng(0)
    x = 1.7e9 + rng.permutation(40_000) / 64  # exact in float64
    y = 1e6 + rng.normal(size=x.size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "MOST", 100)
        patch.setattr(cells, "BUFFER", 3000)
        result = collect((x[i : i + 999], y[i : i + 999], None) for i in range(0, len(x), 999))
    rows = np.column_stack([x, y, np.ones_like(x)])[np.argsort(x)]
    width = 8.0  # the range of 625 s in 100 cells, rounded up to a power of two
    expected = [
        exact([tuple(r) for r in group]) for group in np.split(rows, np.flatnonzero(np.diff(rows[:, 0] // width)) + 1)
    ]
    np.testing.assert_allclose(np.array(result[:3]).T, np.array(expected)[:, :3], rtol=5e-16)  # a rounding at each join
    # The means are rounded: to 2.4e-7 of deviations near 2 in x, and to 1e-10 in y. A sum over squares without
    # centring would have lost everything (1.7e9 squared is 3e18, its rounding 512, the spread of a cell 2700).
    np.testing.assert_allclose(result.sxx, np.array(expected)[:, 3], rtol=1e-7)
    np.testing.assert_allclose(result.syy, np.array(expected)[:, 5], rtol=1e-7)
    np.testing.assert_allclose(result.sxy, np.array(expected)[:, 4], rtol=0, atol=1e-3)


def test_means_of_many_times_are_exact() -> None:
    """Means of many times are exact to one unit in the last place."""
    rng = np.random.default_rng(0)
    x, weight = np.sort(1.7e9 + rng.random(20_000) / 8), rng.random(20_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "MOST", 2)
        result = merge_sorted(x, -x, weight)
    distinct = np.unique(x)
    parts = x < distinct[len(distinct) // 2], x >= distinct[len(distinct) // 2]
    expected = [exact(list(zip(x[part], x[part], weight[part], strict=True)))[0] for part in parts]
    np.testing.assert_allclose(result.x, expected, rtol=2.3e-16)
    np.testing.assert_allclose(-result.y, expected, rtol=2.3e-16)


def test_an_outlier_coarsens_nothing() -> None:
    """Intervals without samples cost no cell, so that the others are as fine as without an outlier."""
    x = np.arange(64) / 64
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "MOST", 17)
        result = collect([(x, x, None), ([1e15], [0.0], None)])
    np.testing.assert_array_equal(result.x, [*(x.reshape(16, 4).mean(axis=1)), 1e15])


@pytest.mark.parametrize("size", [1e99, 1e-99, 1e-320])
def test_extreme_sizes(size: float) -> None:
    """Neither overflow nor underflow ends in a wrong order, a nan or a warning."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "MOST", 8)
        x = size * np.linspace(-1, 1, 50)
        result = collect([(x, x, None), ([5.0], [1.0], [2.0])])
    assert len(result.x) <= 8
    assert (np.diff(result.x) > 0).all()
    assert result.samples == 51
    assert np.isfinite(np.array(result[:6])).all()


def test_chunks_may_be_refilled() -> None:
    """A generator may yield the same array again with other values."""

    def refilled() -> Iterator[tuple[np.ndarray, np.ndarray, None]]:
        array = np.empty(3)
        for i in range(4):
            array[:] = np.arange(3) + 3 * i
            yield array, array, None

    np.testing.assert_array_equal(collect(refilled()).x, np.arange(12))


def test_columns_lists_and_more_fields() -> None:
    """Columns, integers, lists and chunks of more than three fields are taken, and stay as they are."""
    x, y = np.array([[3], [1], [1]]), np.array([[1.0], [2.0], [4.0]])
    x.flags.writeable = y.flags.writeable = False
    for result in (collect([(x, y, None, 7)]), merge_sorted(x, y), merge_sorted([3, 1, 1], [1, 2, 4])):
        np.testing.assert_array_equal(np.array(result[:6]), [[1, 3], [3, 1], [2, 1], [0, 0], [0, 0], [2, 0]])
        assert result.samples == 3


@pytest.mark.parametrize(
    ("x", "y", "weight", "says"),
    [
        ([1, np.nan], [1, 2], None, "x holds nan at row 1; it must be finite and below 1e+100"),
        ([1, 2], [-np.inf, 2], None, "y holds -inf at row 0; it must be finite and below 1e+100"),
        ([1, 2], [1, 2e100], None, "y holds 2e+100 at row 1; it must be finite and below 1e+100"),
        ([1, 2], [1, 2], [1, np.inf], "weight holds inf at row 1; it must be finite and below 1e+100"),
        ([1, 2], [1, 2], [1, -1], "weight is negative at row 1; it must be at least 0"),
        ([1, 2], [1, 2], [0, 0], "all 2 samples have weight zero; at least one must have a positive weight"),
        ([1, 2], [1], None, "x, y and weight must be equally long, not 2, 1 and 2"),
        ([1, 2], [1, 2], [1], "x, y and weight must be equally long, not 2, 2 and 1"),
        ([], [], None, "there are no samples"),
        (["a"], [1], None, "x must hold real numbers, not <U1"),
        ([1j], [1], None, "x must hold real numbers, not complex128"),
        ([[1, 2]], [1], None, "x must be one column, (N,) or (N, 1), not (1, 2)"),
        (1.0, 1.0, None, "x must be one column, (N,) or (N, 1), not ()"),
        ([[1, 2], [3]], [1], None, "x is not a column of numbers: its rows differ in length"),
    ],
)
def test_errors(x: object, y: object, weight: object, says: str) -> None:
    """Each error is one sentence, in memory and in chunks."""
    for attempt in (lambda: merge_sorted(x, y, weight), lambda: collect([(x, y, weight)])):
        with pytest.raises(RelufitError) as caught:
            attempt()
        assert str(caught.value) == says


def test_rows_are_counted_over_chunks() -> None:
    """Rows are counted over all chunks, and no chunk at all is no sample."""
    with pytest.raises(RelufitError, match="at row 4;"):
        collect([([1, 2, 3], [1, 2, 3], None), ([1, 2], [1, np.nan], None)])
    with pytest.raises(RelufitError, match="there are no samples"):
        collect([])


def test_memory_is_bounded() -> None:
    """Joining 3e6 samples of distinct x, 72 MB as arrays, peaks below six tables of 2^20 cells, 50 MB each."""

    def chunks() -> Iterator[tuple[np.ndarray, np.ndarray, None]]:
        rng = np.random.default_rng(0)
        for _ in range(30):
            x = rng.normal(size=100_000)
            yield x, np.sin(x), None

    tracemalloc.start()
    result = collect(chunks())
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 300e6
    assert 2**18 < len(result.x) <= 2**20
    assert result.samples == 3_000_000
    assert result.weight.sum() == 3_000_000


def test_a_million_samples_merge_quickly() -> None:
    """A million samples merge in far less time than a loop over samples in Python would take."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1_000_000))
    start = time.perf_counter()
    assert len(merge_sorted(x, y).x) == len(np.unique(x))
    assert time.perf_counter() - start < 2
