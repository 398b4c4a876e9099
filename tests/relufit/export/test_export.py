"""Saving and loading: the same arrays back, and nothing but a RelufitError for files that are not ours."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from relufit import RelufitError, fit, init_params
from relufit.errors import reason
from relufit.export import COLUMNS, check_can_save, load_network, load_params, save_params
from relufit.reading.columns import Columns


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """What is saved is loaded bit for bit, with dtypes; Fortran-ordered arrays too."""
    params = init_params(9, 3, 2, dtype="float64")
    save_params(params._replace(w1=np.asfortranarray(params.w1)), tmp_path / "a.safetensors")
    for found, wanted in zip(load_params(tmp_path / "a.safetensors"), params, strict=True):
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype


def test_a_fit_saves_its_parameters(tmp_path: Path) -> None:
    """Fit.save writes what predict uses."""
    result = fit("sin", hidden=8, epochs=1, progress=False)
    result.save(tmp_path / "fit.safetensors")
    np.testing.assert_array_equal(load_params(tmp_path / "fit.safetensors").w2, result.params.w2)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    """A file that is missing, empty, cut short or of other arrays is refused."""
    path = tmp_path / "x.safetensors"
    save_params(init_params(9), path)
    whole = path.read_bytes()
    w1 = np.zeros((1, 3), np.float32)
    wrong = {"w1": w1, "b1": np.zeros(3, np.float32), "w2": np.zeros((4, 1), np.float32), "b2": np.zeros(1, np.float32)}
    for content in (b"", whole[:-3], whole[:50], b"not a file of ours", safetensors.numpy.save({"w1": w1}),
                    safetensors.numpy.save(wrong), safetensors.numpy.save(wrong | {"w2": w1[0]})):  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(RelufitError):
            load_params(path)
    with pytest.raises(RelufitError):
        load_params(tmp_path / "missing.safetensors")
    for name in (3, None):
        with pytest.raises(RelufitError, match=f"cannot read {name}: give the name"):
            load_params(name)  # type: ignore[arg-type]


def test_a_flipped_bit_is_no_other_network(tmp_path: Path) -> None:
    """A flipped bit is refused, or lies in words that say nothing of the weights, which are all there."""
    path, params = tmp_path / "x.safetensors", init_params(9)
    save_params(params, path)
    whole, loaded = path.read_bytes(), 0
    begin = 8 + int.from_bytes(whole[:8], "little")  # of the weights
    rng = np.random.default_rng(0)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            found = load_params(path)
        except RelufitError:
            continue
        assert place < begin
        loaded += 1
        for array, wanted in zip(found, params, strict=True):
            np.testing.assert_array_equal(array, wanted)
    assert loaded < 20  # bits of the checksum's name


def test_columns_are_saved_with_the_network(tmp_path: Path) -> None:
    """Names and types are saved and loaded; a file without them loads with empty Columns."""
    path, params = tmp_path / "x.safetensors", init_params(5, 2, 1)
    for columns in (Columns(("t", "größe"), ("v",), ("time with zone", "number")), Columns(types=("time",) * 2)):
        save_params(params, path, columns)
        assert load_network(path)[1] == columns
        np.testing.assert_array_equal(load_params(path).w1, params.w1)
    save_params(params, path)
    assert load_network(path)[1] == Columns()
    fit("sin", hidden=2, epochs=1, progress=False).save(path)
    assert load_network(path)[1] == Columns(types=("number",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "1",
        '{"x": ["a"], "y": [], "types": ["numbet"]}',
        '{"x": ["a", "b"], "y": [], "types": []}',
        '{"x": [1], "y": [], "types": []}',
        '{"x": [], "y": [], "types": [["time"]]}',
        '{"x": [], "y": [], "types": [], "z": []}',
        '{"x": [], "y": [], "types": null}',
    ],
)
def test_columns_that_do_not_fit_are_refused(text: str, tmp_path: Path) -> None:
    """Names and types that save_params cannot have written raise an error."""
    path = tmp_path / "x.safetensors"
    safetensors.numpy.save_file(network(), path, {COLUMNS: text})
    with pytest.raises(RelufitError, match="its column names and types are not valid"):
        load_network(path)


def test_files_of_other_programs_load(tmp_path: Path) -> None:
    """Files of other programs load, which know no checksum and may say other things of a file."""
    path = tmp_path / "x.safetensors"
    for words in (None, {"format": "pt"}, {"sha256": "of something else"}):
        safetensors.numpy.save_file(network(), path, words)
        assert load_params(path).w1.shape == (1, 3)


def test_the_same_network_is_the_same_file(tmp_path: Path) -> None:
    """The same network is the same file byte for byte, in another process too."""
    names = [tmp_path / f"{i}.safetensors" for i in range(3)]
    code = (
        "import sys; from relufit import export, init_params; from relufit.reading import columns; "
        "export.save_params(init_params(9), sys.argv[1], columns.Columns(('t',), ('v',), ('time',)))"
    )
    for name in names:
        subprocess.run([sys.executable, "-c", code, str(name)], check=True, timeout=120)
    assert len({name.read_bytes() for name in names}) == 1


def network(dtype: Any = np.float32, hidden: int = 3) -> dict[str, np.ndarray]:
    """Four arrays of ones whose shapes fit: D = O = 1."""
    shapes = {"w1": (1, hidden), "b1": (hidden,), "w2": (hidden, 1), "b2": (1,)}
    return {name: np.ones(shape, dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        (network(np.int32), "its weights are I32, not all F32 or F64"),
        (network(np.float16), "its weights are F16, not"),
        (network(np.complex64), "its weights are C64, not"),
        (network() | {"b2": np.ones(1)}, "its weights are F32, F64, not all"),
        (network() | {"w1": np.full((1, 3), np.nan, np.float32)}, "not finite: there is nan or inf in w1"),
        (network() | {"b1": np.array([1, np.inf, 1], np.float32), "b2": np.full(1, np.nan, np.float32)}, "in b1, b2"),
        (network(hidden=0), "1 input, 0 hidden units and 1 output: each must be at least 1"),
        (network() | {"w1": np.ones((0, 3), np.float32)}, "0 inputs"),
        (network() | {"w1": np.ones(3, np.float32)}, r"not \(D, H\), \(H,\)"),
        (network() | {"more": np.ones(1, np.float32)}, "holds b1, b2, more, w1, w2, not a relufit network"),
        ({}, "holds nothing"),
    ],
)
def test_weights_that_are_no_network_are_refused(arrays: dict[str, np.ndarray], sentence: str, tmp_path: Path) -> None:
    """A whole file whose weights are no network is refused with what is wrong and its name."""
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors.numpy.save(network()))
    load_params(path)  # so that it is what follows that is refused
    path.write_bytes(safetensors.numpy.save(arrays))
    with pytest.raises(RelufitError, match=sentence) as caught:
        load_params(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("kind", "size"), [("BF16", 2), ("F8_E4M3", 1)])
def test_types_that_numpy_lacks_are_refused(kind: str, size: int, tmp_path: Path) -> None:
    """bfloat16 is refused, whether or not another library has taught numpy the type by now."""
    header, end = {}, 0
    for name, array in network().items():
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [end, end := end + size * array.size]}
    words = json.dumps(header).encode()
    (tmp_path / "x.safetensors").write_bytes(len(words).to_bytes(8, "little") + words + bytes(end))
    with pytest.raises(RelufitError, match=f"its weights are {kind}"):
        load_params(tmp_path / "x.safetensors")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    """A pickle that would leave a file behind is refused as foreign, and leaves none."""

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    content = pickle.dumps(Trap())
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(RelufitError, match="cannot read"):
        load_params(tmp_path / "x.safetensors")
    assert not (tmp_path / "sprung").exists()
    pickle.loads(content)
    assert (tmp_path / "sprung").exists()  # the trap was a trap


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    """Weights that are not finite are refused before a file is written."""
    params = init_params(3)
    with pytest.raises(RelufitError, match="nan or inf in w2"):
        save_params(params._replace(w2=params.w2 * np.nan), tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A folder that is not there is one sentence that names it."""
    for name in ("no/such/x.safetensors", "x.pt", "nosuffix"):
        with pytest.raises(RelufitError, match="cannot write"):
            save_params(init_params(3), tmp_path / name)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    """A folder and a device, when read and before something is written; no number of the system's error."""
    with pytest.raises(RelufitError, match=r"it is a folder; give the name of a .safetensors file"):
        load_params(tmp_path)
    with pytest.raises(RelufitError, match="there is no such file"):
        load_params(tmp_path / "x.safetensors")
    (tmp_path / "a.safetensors").mkdir()
    with pytest.raises(RelufitError, match=r"a.safetensors: it is a folder; give the name of a file$"):
        check_can_save(tmp_path / "a.safetensors")
    with pytest.raises(RelufitError, match=r"^cannot read .*: it is no regular file"):
        load_params("/dev/null")


def test_leave_to_write_is_asked_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the folder, or of the file that is there; the system's answer is simulated, as root may write anywhere."""
    path = tmp_path / "a.safetensors"
    check_can_save(path)
    monkeypatch.setattr(os, "access", lambda asked, _: Path(asked) not in (tmp_path, path))
    with pytest.raises(RelufitError, match="nothing can be written to the folder"):
        check_can_save(path)
    path.touch()
    with pytest.raises(RelufitError, match="the file is write-protected; choose another name"):
        check_can_save(path)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device", "x"), ValueError("I/O error: it is full (os error 28)")]
)
def test_reasons_have_no_numbers(error: Exception) -> None:
    """Those of the system are in its words, however a library wraps them."""
    assert reason(error) == os.strerror(28)[:1].lower() + os.strerror(28)[1:]
    assert reason(ValueError("Bad\nlines")) == "bad"
    assert reason(ValueError()) == "a ValueError"
