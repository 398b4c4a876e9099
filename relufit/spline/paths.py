"""Shortest paths by dynamic programming: the best chain of a given number of lines from the first node to the last.

A line begins at one node and ends at another; where lines are to meet it also begins and ends at one of a few heights.
The errors of all lines are an array (V, longest, V, M + 1): that of the line which ends at node i, `length` nodes long,
stands at [height at its end, longest - length, height at its beginning, i]. Lines that need not meet have V = 1.
Bellman and Roth (1969), JASA 64(327), 1079-1084.
"""

from typing import NamedTuple

import numpy as np

PRICES = 24  # of a line that are tried, at the most
NEARLY = 0.02  # relative tolerance of the number of lines, and of the price of a line
WINDOW = 6  # pieces around its share of the nodes that a knot is looked for in, where lines cannot be of any length


def beginnings(shape: tuple[int, int]) -> np.ndarray:
    """The node that the line at [longest - length, i] begins at, (longest, M + 1); 0 where no line ends there."""
    longest, number = shape
    return np.maximum(np.arange(number) - np.arange(longest, 0, -1)[:, None], 0)


def forbidden(longest: int, forced: np.ndarray) -> np.ndarray:
    """Where there is no line: it would begin before the first node, or pass over one that is forced (M + 1,)."""
    number, passed = len(forced), np.cumsum(forced)
    end = np.arange(number)
    outside = end - np.arange(longest, 0, -1)[:, None] < 0
    return outside | (passed[np.maximum(end - 1, 0)] != passed[beginnings((longest, number))])


class Paths(NamedTuple):
    """The least errors of chains of 0, 1, ... lines from the first node to others: for each number, those in a window.

    That of j lines to node i, at each height, stands at least[j, :, longest + i - first[j]]. The `longest` places
    before a window, and those behind it, are of nodes that are not reached.
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
    """Of up to `count` lines; where lines are of any length, `best` may be asked for fewer as well."""
    heights, longest, _, number = errors.shape
    last = number - 1
    width = number if longest == last else min(2 * round(WINDOW * last / count) + 1, number)
    share = np.round(np.arange(count + 1) * (last / count)).astype(int)
    first = np.clip(share - width // 2, 0, number - width)
    shift = np.diff(first)
    least = np.full((count + 1, heights, longest + width + shift.max()), np.inf)
    least[0, :, longest] = 0.0
    layer, row, one = least.strides
    # before[j, shift[j]] holds what line j + 1 goes on from: [longest - length, height, end - first[j + 1]].
    before = np.lib.stride_tricks.as_strided(
        least, (count, shift.max() + 1, longest, heights, width), (layer, one, one, row, one), writeable=False
    )
    ends = least[1:, :, longest : longest + width]
    for j in range(count):
        totals = before[j, shift[j]] + errors[..., first[j + 1] : first[j + 1] + width]
        totals.reshape(heights, -1, width).min(axis=1, out=ends[j])
    return Paths(errors, first, least)


def priced_paths(errors: np.ndarray, count: int, price: float) -> tuple[np.ndarray, np.ndarray] | None:
    """The nodes of two paths from the first node to the last: of at most `count` lines, and of more; None without them.

    Each line has a price, and the cheapest path is found for prices between which the number of lines passes `count`,
    from a guess of the price on (Lagrangian relaxation; Everett (1963), Operations Research 11(3), 399-417). That takes
    as long for many lines as for few, and lines of any length may stand anywhere. No price need give just `count`
    lines: all waves of a sine are worth the same. Then the cheapest paths of `count` lines are parts of these two.
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
    """The nodes of the path whose errors and prices of lines have the least sum."""
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
