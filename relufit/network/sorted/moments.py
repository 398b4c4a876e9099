"""Moments of runs of sorted samples, as a tree, for relufit/network/sorted/hinge.py; they depend on the data only.

Moments are centred on the means of the run that they describe, so that a sum over any stretch of samples is made of
numbers of similar size: nothing is subtracted from a total. Beside the moments of each node stand those of all that its
parent holds up to it, and from it on, so that a stretch of any length takes two rows a level.
"""

from typing import NamedTuple

import numpy as np

LEAF = 16  # samples in the smallest run that has moments; shorter pieces are summed sample by sample
FAN = 16  # nodes that a parent holds
CHUNK = 2**20  # samples processed at once
OWN, UP_TO, FROM = 0, 1, 2  # which run a row of the table describes


class MomentTree(NamedTuple):
    """Samples sorted by x, and moments of runs of them.

    Node i of level l is the run of LEAF FAN^l samples from i times as many on, and stands in row offsets[l] + i: at OWN
    its moments, at UP_TO those of its parent's nodes up to it, at FROM those of its parent's nodes from it on. Columns,
    in float64: mean of x, sum of (x - mean)^2, and for each output mean of y, sum of (x - mean) (y - mean) and sum of
    (y - mean)^2. Runs that end beyond the data have no node; FROM is undefined where the parent ends beyond them.
    """

    x: np.ndarray  # (N,) sorted
    y: np.ndarray  # (O, N)
    nodes: np.ndarray  # (rows, 3, 2 + 3 O): the three rows that the end of a segment reads are adjacent
    offsets: np.ndarray  # (levels + 1,) integers


def tabulate(x: np.ndarray, y: np.ndarray) -> MomentTree:
    """Compute the table of samples sorted by x, x (N,), y (O, N): about 8 bytes per sample for one output."""
    counts = [len(x) // LEAF]
    while counts[-1] >= FAN:
        counts.append(counts[-1] // FAN)
    offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.intp)])
    nodes = np.empty((offsets[-1], 3, 2 + 3 * len(y)))
    for first in range(0, counts[0], CHUNK // LEAF):
        last = min(first + CHUNK // LEAF, counts[0])
        nodes[first:last, OWN] = _leaves(x[first * LEAF : last * LEAF], y[:, first * LEAF : last * LEAF])
    for level, count in enumerate(counts):
        rows = slice(offsets[level], offsets[level + 1])
        _accumulate(nodes[rows], LEAF * FAN**level)
        if level + 1 < len(counts):  # the moments of a parent are those up to its last node
            nodes[offsets[level + 1] : offsets[level + 2], OWN] = nodes[rows][FAN - 1 : count : FAN, UP_TO]
    return MomentTree(x, y, nodes, offsets)


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


def _accumulate(nodes: np.ndarray, size: int) -> None:
    """Fill in UP_TO and FROM of nodes (rows, 3, columns) from OWN, runs of `size` samples each."""
    own, up_to, from_ = (nodes[:, run] for run in (OWN, UP_TO, FROM))
    up_to[:], from_[:] = own, own
    for place in range(1, FAN):
        later = up_to[place::FAN]
        later[:] = _merge(up_to[place - 1 :: FAN][: len(later)], place * size, later, size)
    for place in range(FAN - 2, -1, -1):
        after = from_[place + 1 :: FAN]
        earlier = from_[place::FAN][: len(after)]
        earlier[:] = _merge(earlier, size, after, (FAN - 1 - place) * size)


def _merge(left: np.ndarray, left_size: int, right: np.ndarray, right_size: int) -> np.ndarray:
    """Moments of neighbouring runs taken together, (rows, columns), by the parallel-axis theorem.

    Chan, Golub and LeVeque (1983), The American Statistician 37(3), 242-247, equation 2.1.
    """
    gap, share = right - left, right_size / (left_size + right_size)
    merged, weight = left + right, left_size * share  # the sums; the means are put in their places below
    merged[:, 0] = left[:, 0] + share * gap[:, 0]
    merged[:, 1] += weight * gap[:, 0] ** 2
    for column in range(2, left.shape[1], 3):
        merged[:, column] = left[:, column] + share * gap[:, column]
        merged[:, column + 1] += weight * gap[:, 0] * gap[:, column]
        merged[:, column + 2] += weight * gap[:, column] ** 2
    return merged
