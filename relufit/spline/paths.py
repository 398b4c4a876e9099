"""Shortest paths by dynamic programming: the best chain of a given number of lines from the first node to the last.

A line begins at one node and ends at another; joined lines also begin and end at one of several heights. The errors of
all lines are an array (V, longest, V, M + 1): the line that ends at node i, `length` nodes long, has the index
[height at its end, longest - length, height at its beginning, i]. Separate lines have V = 1.
Bellman and Roth (1969), JASA 64(327), 1079-1084.
"""

from typing import NamedTuple

import numpy as np

PRICES = 24  # largest number of prices of a line that are tried
NEARLY = 0.02  # relative tolerance of the number of lines, and of the price of a line
WINDOW = 6  # pieces on either side of its even share of the nodes in which a knot is searched, if lines are limited


def beginnings(shape: tuple[int, int]) -> np.ndarray:
    """The first node of the line at [longest - length, i], at least 0: (longest, M + 1)."""
    longest, number = shape
    return np.maximum(np.arange(number) - np.arange(longest, 0, -1)[:, None], 0)


def forbidden(longest: int, forced: np.ndarray) -> np.ndarray:
    """Mask of lines that do not exist: they would begin before the first node, or pass a `forced` one (M + 1,)."""
    number, passed = len(forced), np.cumsum(forced)
    end = np.arange(number)
    outside = end - np.arange(longest, 0, -1)[:, None] < 0
    return outside | (passed[np.maximum(end - 1, 0)] != passed[beginnings((longest, number))])


class Paths(NamedTuple):
    """The least errors of chains of 0, 1, ... lines from the first node to the nodes of a window for each number.

    That of j lines to node i, at each height, is least[j, :, longest + i - first[j]]. The `longest` elements before a
    window, and those after it, are inf.
    """

    errors: np.ndarray  # (V, longest, V, M + 1) of the lines
    first: np.ndarray  # (count + 1,) the node that each window begins with
    least: np.ndarray  # (count + 1, V, ...)

    def best(self, count: int) -> np.ndarray | None:
        """The nodes of the best `count` lines from the first to the last, (count + 1,); None if no path exists."""
        heights, longest, _, number = self.errors.shape
        at_end = self.least[count, :, longest + number - 1 - self.first[count]]
        if not np.isfinite(at_end).any():
            return None
        nodes, height = [number - 1], int(at_end.argmin())
        for j in range(count - 1, -1, -1):
            end = nodes[-1]
            place = end - self.first[j]
            totals = self.least[j, :, place : place + longest].T + self.errors[height, :, :, end]
            begin, height = divmod(int(totals.argmin()), heights)
            nodes.append(end - longest + begin)
        return np.asarray(nodes[::-1])


def shortest_paths(errors: np.ndarray, count: int) -> Paths:
    """The paths of up to `count` lines; if lines may have any length, `Paths.best` takes fewer as well."""
    heights, longest, _, number = errors.shape
    last = number - 1
    width = number if longest == last else min(2 * round(WINDOW * last / count) + 1, number)
    share = np.round(np.arange(count + 1) * (last / count)).astype(int)
    first = np.clip(share - width // 2, 0, number - width)
    shift = np.diff(first)
    least = np.full((count + 1, heights, longest + width + shift.max()), np.inf)
    least[0, :, longest] = 0.0
    layer, row, one = least.strides
    # before[j, shift[j]] has the errors that line j + 1 continues: [longest - length, height, end - first[j + 1]].
    before = np.lib.stride_tricks.as_strided(
        least, (count, shift.max() + 1, longest, heights, width), (layer, one, one, row, one), writeable=False
    )
    ends = least[1:, :, longest : longest + width]
    for j in range(count):
        totals = before[j, shift[j]] + errors[..., first[j + 1] : first[j + 1] + width]
        totals.reshape(heights, -1, width).min(axis=1, out=ends[j])
    return Paths(errors, first, least)


def priced_paths(errors: np.ndarray, count: int, price: float) -> tuple[np.ndarray, np.ndarray] | None:
    """The nodes of two paths from the first node to the last, of at most `count` lines and of more; None without them.

    Each line has a price, and a search over prices, from an initial one, finds where the number of lines of the
    cheapest path passes `count` (Lagrangian relaxation; Everett (1963), Operations Research 11(3), 399-417). The cost
    does not depend on the number of lines, and lines may have any length. Not every `count` has a price: all waves of a
    sine gain the same. Then the cheapest paths of `count` lines consist of parts of these two.
    """
    by_end = np.ascontiguousarray(errors.transpose(3, 1, 2, 0))  # [i, longest - length, height begun at, height]
    few = many = None
    low, high = 0.0, np.inf
    for _ in range(PRICES):
        path = _cheapest(by_end, price)
        if path is None:
            return None
        if len(path) - 1 > count:
            many, low = path, price
        else:
            few, high = path, price
        if few is not None and (len(few) - 1 >= count * (1 - NEARLY) or high < low * (1 + NEARLY)):
            break
        price = 4 * low if high == np.inf else high / 4 if low == 0.0 else float(np.sqrt(low * high))
    return None if few is None else (few, few if many is None else many)


def _cheapest(by_end: np.ndarray, price: float) -> np.ndarray | None:
    """The nodes of the path with the least sum of errors and prices of its lines."""
    number, longest, heights, _ = by_end.shape
    least = np.full((longest + number, heights), np.inf)  # `longest` places before the first node
    least[longest] = 0.0
    came_from = np.zeros((number, heights), int)
    for i in range(1, number):
        totals = (by_end[i] + least[i : i + longest, :, None]).reshape(-1, heights)
        came_from[i] = totals.argmin(axis=0)
        least[longest + i] = totals[came_from[i], np.arange(heights)] + price
    if not np.isfinite(least[-1]).any():
        return None
    nodes, height = [number - 1], int(least[-1].argmin())
    while nodes[-1] > 0:
        back, height_before = divmod(int(came_from[nodes[-1], height]), heights)
        nodes.append(nodes[-1] - longest + back)
        height = height_before
    return np.asarray(nodes[::-1])
