"""Dynamic programming over nodes and heights: against trying every way."""

from itertools import combinations, product

import numpy as np
import pytest

from relufit.spline.knots import beginnings, forbidden, shortest_paths

NODES = 8


def some_errors(longest: int, heights: int, seed: int) -> np.ndarray:
    """Random errors of lines, inf where there is no line."""
    errors = np.random.default_rng(seed).random((heights, longest, heights, NODES))
    return np.where(forbidden(longest, np.zeros(NODES, bool))[:, None], np.inf, errors)


def cheapest(errors: np.ndarray, count: int) -> tuple[float, tuple[int, ...]]:
    """The least sum of errors of `count` lines from node 0 to the last, and its nodes, by trying all paths."""
    heights, longest = errors.shape[:2]
    best = (np.inf, ())
    for inner in combinations(range(1, NODES - 1), count - 1):
        nodes = (0, *inner, NODES - 1)
        if max(np.diff(nodes)) > longest:
            continue
        for chosen in product(range(heights), repeat=count + 1):
            total = sum(
                errors[chosen[k + 1], longest - (nodes[k + 1] - nodes[k]), chosen[k], nodes[k + 1]]
                for k in range(count)
            )
            best = min(best, (total, nodes))
    return best


@pytest.mark.parametrize("heights", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("longest", [7, 4])
def test_the_path_is_the_cheapest_of_all(heights: int, count: int, longest: int) -> None:
    """The path has the least error of all, for separate lines and for lines joined at three heights."""
    for seed in range(3):
        errors = some_errors(longest, heights, seed)
        total, nodes = cheapest(errors, count)
        paths = shortest_paths(errors, count)
        found = paths.best(count)
        if not np.isfinite(total):
            assert found is None
            continue
        assert found is not None
        reached = paths.least[count, :, longest + NODES - 1 - paths.first[count]]
        assert reached.min() == pytest.approx(total, rel=1e-12)
        assert tuple(found) == nodes


def test_no_line_passes_over_a_forced_node() -> None:
    """No line passes a forced node, or begins before the first."""
    forced = np.zeros(NODES, bool)
    forced[3] = True
    nowhere = forbidden(NODES - 1, forced)
    begin = beginnings(nowhere.shape)
    for row, end in zip(*np.nonzero(~nowhere), strict=True):
        length = NODES - 1 - row
        assert end - length == begin[row, end]
        assert not begin[row, end] < 3 < end
    # Lines of 1 to 7 nodes to each node, less those that pass over node 3.
    assert (~nowhere).sum() == NODES * (NODES - 1) // 2 - 3 * 4
