"""The network as a function of numpy alone: predict's answers, in another process too."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from relufit import Fit, Params, RelufitError, fit, init_params
from relufit.export.numpy_function import build_function


@pytest.fixture(scope="module")
def line() -> Fit:
    """One input, one output."""
    return fit("sin", hidden=64, epochs=3, progress=False)


@pytest.fixture(scope="module")
def table() -> Fit:
    """Three inputs, two outputs."""
    x = np.random.default_rng(0).normal(size=(200, 3))
    return fit(x, np.stack([x[:, 0] * x[:, 1], x.sum(axis=1)], axis=1), hidden=32, epochs=3, progress=False)


@pytest.mark.parametrize("x", [0.5, [0.5, -2.0], np.linspace(-7, 7, 5001), np.linspace(-7, 7, 5001)[:, None], []])
def test_it_answers_as_predict_does(line: Fit, x: object) -> None:
    """The function answers as predict in the same shape, for a number, vectors, columns and several blocks."""
    found, wanted = line.to_numpy_function()(x), line.predict(x)
    assert (found.shape, found.dtype) == (wanted.shape, np.float64)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-13)


def test_many_inputs_and_outputs(table: Fit) -> None:
    """The function takes (N, 3) to (N, 2), in one block and in several."""
    x = np.random.default_rng(1).normal(size=(10_000, 3))
    for part in (x[:1], x):
        found = table.to_numpy_function()(part)
        assert found.shape == (len(part), 2)
        np.testing.assert_allclose(found, table.predict(part), rtol=0, atol=1e-13)


def test_it_is_the_formula() -> None:
    """The function is y = 3 relu(2 x - 1) + 5, by hand."""
    f = build_function(Params(np.array([[2.0]]), np.array([-1.0]), np.array([[3.0]]), np.array([5.0])))
    np.testing.assert_array_equal(f([0.0, 0.5, 1.0, 2.0]), [5, 5, 8, 14])


def test_it_keeps_its_own_weights() -> None:
    """Float32 weights become float64, and what happens to the given arrays later does not matter."""
    params = init_params(8)
    f = build_function(params)
    before = f(1.0)
    params.w2[:] = 0
    assert f(1.0) == before != 0


def test_it_is_read_back_where_no_framework_is_loaded(table: Fit, tmp_path: Path) -> None:
    """A function pickled here gives the same bits in a fresh process."""
    f = table.to_numpy_function()
    (tmp_path / "f.pickle").write_bytes(pickle.dumps(f))
    code = (
        "import pickle, sys; f = pickle.load(open(sys.argv[1], 'rb')); print(f([[1, 2, 3]]).tobytes().hex()); "
        "print([name for name in ('torch', 'jax', 'numba', 'scipy', 'onnx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "f.pickle"], capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == [f([[1, 2, 3]]).tobytes().hex(), "[]"], done.stderr


def test_what_the_network_does_not_take_is_a_sentence(table: Fit) -> None:
    """What the network does not take is the sentence of predict; arrays that are no network are refused."""
    f = table.to_numpy_function()
    for x in (1.0, [1.0, 2.0], np.zeros((4, 2)), np.zeros((1, 4, 3)), "x", [[1, 2], [3]]):
        with pytest.raises(RelufitError, match="takes"):
            f(x)
    with pytest.raises(RelufitError, match="nan or inf in b2"):
        build_function(init_params(3)._replace(b2=np.array([np.nan], np.float32)))


@pytest.mark.parametrize(
    "x",
    [
        np.array(["2020-01-01"], "datetime64[D]"),
        np.array([3], "timedelta64[s]"),
        np.ma.array([1.0, 2.0], mask=[False, True]),
        np.ma.array([[1.0], [2.0]], mask=True),
    ],
)
def test_dates_and_what_is_masked_are_no_numbers(line: Fit, x: object) -> None:
    """Neither to predict nor to its function; where the mask hides nothing, values count."""
    for question in (line.predict, line.to_numpy_function()):
        with pytest.raises(RelufitError, match="takes real numbers"):
            question(x)
        np.testing.assert_array_equal(question(np.ma.array([1.0, 2.0])), question([1.0, 2.0]))
