"""The network as an .onnx file: run by onnxruntime, it answers as predict does, and no wrong file is written."""

import sys
from pathlib import Path

import numpy as np
import pytest

from relufit import Fit, Params, RelufitError, fit, init_params
from relufit.export import onnx_file
from relufit.export.onnx_file import save_onnx

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture(scope="module", params=[(1, 1), (3, 2)], ids=["1-1", "3-2"])
def result(request: pytest.FixtureRequest) -> Fit:
    """A fit with so many inputs and outputs."""
    inputs, outputs = request.param
    x = np.random.default_rng(0).uniform(-3, 3, (300, inputs))
    return fit(x, np.sin(x.sum(axis=1, keepdims=True) + np.arange(outputs)), hidden=40, epochs=2, progress=False)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_onnxruntime_answers_as_predict_does(result: Fit, dtype: str, tolerance: float, tmp_path: Path) -> None:
    """The file lets onnxruntime answer as predict in either precision, for no row, one and a thousand."""
    result.to_onnx(tmp_path / "fit.onnx", dtype)
    session = onnxruntime.InferenceSession(tmp_path / "fit.onnx", providers=["CPUExecutionProvider"])
    for rows in (0, 1, 1000):
        x = np.random.default_rng(rows).uniform(-3, 3, (rows, result.x.shape[1]))
        (found,) = session.run(["y"], {"x": x.astype(dtype)})
        assert (found.shape, found.dtype) == ((rows, result.y.shape[1]), dtype)
        np.testing.assert_allclose(found, result.predict(x), rtol=0, atol=tolerance)


def test_the_file_says_what_it_is(result: Fit, tmp_path: Path) -> None:
    """The file passes the checker and tells names, shapes with N left open, and where it comes from."""
    result.to_onnx(tmp_path / "fit.onnx")
    onnx.checker.check_model(tmp_path / "fit.onnx", full_check=True)
    model = onnx.load(tmp_path / "fit.onnx")
    assert model.producer_name == "relufit"
    assert "relu(x w1 + b1) w2 + b2" in model.doc_string
    assert [node.op_type for node in model.graph.node] == ["Gemm", "Relu", "Gemm"]
    for (value,), name, columns in (
        (model.graph.input, "x", result.x.shape[1]),
        (model.graph.output, "y", result.y.shape[1]),
    ):
        kind = value.type.tensor_type
        assert (value.name, kind.elem_type) == (name, onnx.TensorProto.DOUBLE)
        assert [size.dim_param or size.dim_value for size in kind.shape.dim] == ["N", columns]


def test_weights_in_columns_are_written_as_they_are(tmp_path: Path) -> None:
    """Fortran-ordered arrays, which blindly copied bytes would transpose, are written as they are."""
    params, x = init_params(9, 3, 2), np.eye(3)
    save_onnx(params, x, tmp_path / "a.onnx")
    save_onnx(Params(*(np.asfortranarray(p) for p in params)), x, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


@pytest.mark.parametrize("name", Params._fields)
@pytest.mark.parametrize(("dtype", "share"), [("float64", 1e-10), ("float32", 1e-2)])
def test_a_graph_that_answers_wrongly_is_not_written(
    name: str, dtype: str, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph with one of its four arrays off by a small share of its largest element is not written."""
    params = init_params(20, 2, 2, dtype="float64", scheme="torch")
    original = onnx_file._model

    def shifted(library: object, right: Params) -> object:
        array = getattr(right, name)
        return original(library, right._replace(**{name: array + array.dtype.type(share) * np.abs(array).max()}))

    monkeypatch.setattr(onnx_file, "_model", shifted)
    with pytest.raises(RelufitError, match="onnxruntime's answers are off"):
        save_onnx(params, np.random.default_rng(0).normal(size=(5, 2)), tmp_path / "x.onnx", dtype)
    assert list(tmp_path.iterdir()) == []


def test_without_onnxruntime_the_file_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without onnxruntime the same file is written unchecked; without onnx, an error says what to install."""
    params, x = init_params(9), np.zeros((2, 1))
    save_onnx(params, x, tmp_path / "tried.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    save_onnx(params, x, tmp_path / "untried.onnx")
    assert (tmp_path / "tried.onnx").read_bytes() == (tmp_path / "untried.onnx").read_bytes()
    for name in [name for name in sys.modules if name.split(".")[0] == "onnx"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RelufitError, match=r"onnx is not installed: pip install relufit\[onnx\]"):
        save_onnx(params, x, tmp_path / "none.onnx")


def test_what_cannot_be_written_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad folders, names, dtypes, points and sizes, and nan, are one sentence each."""
    params, x = init_params(3), np.zeros((2, 1))
    (tmp_path / "folder.onnx").mkdir()
    for path in (tmp_path / "no/such/x.onnx", tmp_path / "x.pt", tmp_path / "x", tmp_path / "folder.onnx", "", 3, None):
        with pytest.raises(RelufitError, match="cannot write"):
            save_onnx(params, x, path)  # type: ignore[arg-type]
    path = tmp_path / "x.onnx"
    with pytest.raises(RelufitError, match="float32 or float64, not 'int8'"):
        save_onnx(params, x, path, "int8")
    with pytest.raises(RelufitError, match="takes 1 column"):
        save_onnx(params, np.zeros((2, 3)), path)
    with pytest.raises(RelufitError, match="nan or inf in w1"):
        save_onnx(params._replace(w1=params.w1 * np.inf), x, path)
    monkeypatch.setattr(onnx_file, "LARGEST_BYTES", 10)
    with pytest.raises(RelufitError, match="2 GiB"):
        save_onnx(params, x, path)
    assert not path.exists()
