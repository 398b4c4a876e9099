"""Sums that the data alone determines: moments of runs of sorted samples, as a binary tree, for relufit/hinge.py.

Moments are centred on the means of the run that they describe, so that a sum over any stretch of samples is made of
numbers of its own size: nothing is subtracted from a total.
"""

from typing import NamedTuple

import numpy as np

LEAF = 32  # samples in the smallest run that has moments; shorter pieces are summed sample by sample
CHUNK = 2**20  # samples worked off at once


class Table(NamedTuple):
    """What the data alone determines: samples sorted by x, and moments of runs of them as a binary tree.

    Node i of level l describes the samples i LEAF 2^l <= n < (i + 1) LEAF 2^l and stands in row offsets[l] + i. Its
    columns, in float64: mean of x, sum of (x - mean)^2, and for each output mean of y, sum of (x - mean) (y - mean) and
    sum of (y - mean)^2. Runs that end beyond the data have no node.
    """

    x: np.ndarray  # (N,) sorted
    y: np.ndarray  # (O, N)
    nodes: np.ndarray  # (nodes, 2 + 3 O)
    offsets: np.ndarray  # (levels + 1,) integers


def tabulate(x: np.ndarray, y: np.ndarray) -> Table:
    """The table of samples sorted by x: x (N,), y (O, N). About 2.5 bytes a sample beyond them, for one output."""
    leaves = len(x) // LEAF
    levels = leaves.bit_length()
    offsets = np.concatenate([[0], np.cumsum([leaves >> level for level in range(levels)], dtype=np.intp)])
    nodes = np.empty((offsets[-1], 2 + 3 * len(y)))
    for first in range(0, leaves, CHUNK // LEAF):
        last = min(first + CHUNK // LEAF, leaves)
        nodes[first:last] = _leaves(x[first * LEAF : last * LEAF], y[:, first * LEAF : last * LEAF])
    for level in range(1, levels):
        below = nodes[offsets[level - 1] : offsets[level]]
        nodes[offsets[level] : offsets[level + 1]] = _merge(below, LEAF << (level - 1))
    return Table(x, y, nodes, offsets)


def _leaves(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Moments of runs of LEAF samples, (runs, 2 + 3 O)."""
    xs = x.astype(np.float64).reshape(-1, LEAF)
    mean_x = xs.mean(axis=1)
    dx = xs - mean_x[:, None]
    columns = [mean_x, np.sum(dx * dx, axis=1)]
    for row in y:
        ys = row.astype(np.float64).reshape(-1, LEAF)
        mean_y = ys.mean(axis=1)
        dy = ys - mean_y[:, None]
        columns += [mean_y, np.sum(dx * dy, axis=1), np.sum(dy * dy, axis=1)]
    return np.stack(columns, axis=1)


def _merge(nodes: np.ndarray, size: int) -> np.ndarray:
    """Moments of neighbouring runs of `size` samples taken together, by the parallel-axis theorem.

    Chan, Golub and LeVeque (1983), The American Statistician 37(3), 242-247, equation 2.1 for equal sizes.
    """
    whole = len(nodes) // 2 * 2
    left, right = nodes[0:whole:2], nodes[1:whole:2]
    merged = (left + right) / 2  # the means; the rest is put in its place below
    gap_x, half = right[:, 0] - left[:, 0], size / 2
    merged[:, 1] = left[:, 1] + right[:, 1] + half * gap_x**2
    for column in range(2, nodes.shape[1], 3):
        gap_y = right[:, column] - left[:, column]
        merged[:, column + 1] = left[:, column + 1] + right[:, column + 1] + half * gap_x * gap_y
        merged[:, column + 2] = left[:, column + 2] + right[:, column + 2] + half * gap_y**2
    return merged
