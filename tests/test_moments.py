"""The tree of moments: what each node says of its run."""

import numpy as np
import pytest

from relufit.moments import LEAF, tabulate


@pytest.mark.parametrize("samples", [1, LEAF - 1, LEAF, 3 * LEAF, 2**12 + 7])
@pytest.mark.parametrize("outputs", [1, 3])
def test_every_node_holds_the_moments_of_its_run(samples: int, outputs: int) -> None:
    """Counted again from the samples, far from zero: mean of x, its spread, and the same of each output."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 1, samples)) + 1000
    table = tabulate(x, rng.normal(size=(outputs, samples)))
    assert table.offsets[-1] == len(table.nodes)
    for level, first in enumerate(table.offsets[:-1]):
        size = LEAF << level
        assert table.offsets[level + 1] - first == samples // size
        for i in range(samples // size):
            run = slice(i * size, (i + 1) * size)
            dx, node = x[run] - x[run].mean(), table.nodes[first + i]
            wanted = [x[run].mean(), np.sum(dx**2)]
            for y in table.y[:, run]:
                wanted += [y.mean(), np.sum(dx * (y - y.mean())), np.sum((y - y.mean()) ** 2)]
            np.testing.assert_allclose(node, wanted, rtol=1e-9, atol=1e-10)


def test_the_tree_is_small() -> None:
    """About 2.5 bytes a sample for one output."""
    table = tabulate(np.linspace(0, 1, 2**16, dtype="f4"), np.zeros((1, 2**16), "f4"))
    assert table.nodes.nbytes / 2**16 < 2.6
