"""Shortest paths by dynamic programming: the best chain of so many lines from the first node to the last.

A line begins at one node and ends at another; where lines are to meet it also begins and ends at one of a few heights.
The errors of all lines are an array (V, longest, V, M + 1): that of the line which ends at node i, `length` nodes long,
stands at [height at its end, longest - length, height at its beginning, i]. Lines that need not meet have V = 1.
Bellman and Roth (1969), JASA 64(327), 1079-1084.
"""

import numpy as np

WINDOW = 6  # pieces around its share of the nodes that a knot is looked for in, where lines cannot be of any length


def beginnings(shape: tuple[int, int]) -> np.ndarray:
    """The node that the line at [longest - length, i] begins at, (longest, M + 1); 0 where there is none."""
    longest, number = shape
    return np.maximum(np.arange(number) - np.arange(longest, 0, -1)[:, None], 0)


def forbidden(longest: int, forced: np.ndarray) -> np.ndarray:
    """Where there is no line: it would begin before the first node, or pass over one that is forced (M + 1,)."""
    number, passed = len(forced), np.cumsum(forced)
    end = np.arange(number)
    outside = end - np.arange(longest, 0, -1)[:, None] < 0
    return outside | (passed[np.maximum(end - 1, 0)] != passed[beginnings((longest, number))])


def least_errors(errors: np.ndarray, count: int) -> np.ndarray:
    """The least error of j lines up to node i at each height, at [j, height, longest + i].

    (count + 1, V, longest + M + 1). The first `longest` places stand for nodes before the first, which none reach.
    """
    heights, longest, _, number = errors.shape
    last = number - 1
    window = last if longest == last else round(WINDOW * last / count)
    least = np.full((count + 1, heights, longest + number), np.inf)
    least[0, :, longest] = 0.0
    layer, row, one = least.strides
    before = np.lib.stride_tricks.as_strided(
        least, (count + 1, longest, heights, number), (layer, one, row, one), writeable=False
    )
    for j in range(1, count + 1):
        centre = round(j * last / count)
        low, high = max(j, centre - window) if j < count else last, min(last, centre + window) + 1
        totals = before[j - 1, ..., low:high] + errors[..., low:high]
        totals.reshape(heights, -1, high - low).min(axis=1, out=least[j, :, longest + low : longest + high])
    return least


def path(least: np.ndarray, errors: np.ndarray, count: int) -> np.ndarray | None:
    """The nodes of the best `count` lines from the first node to the last, (count + 1,); None where there are none."""
    heights, longest, _, number = errors.shape
    at_end = least[count, :, -1]
    if not np.isfinite(at_end).any():
        return None
    nodes, height = [number - 1], int(np.argmin(at_end))
    for j in range(count - 1, -1, -1):
        i = nodes[-1]
        totals = least[j, :, i : i + longest].T + errors[height, :, :, i]
        begin, height = divmod(int(np.argmin(totals)), heights)
        nodes.append(i - longest + begin)
    return np.asarray(nodes[::-1])
