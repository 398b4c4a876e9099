"""A fit that is saved is loaded: bit for bit what was saved, and as useful."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from relufit import Fit, RelufitError, Target, fit, init_params, load
from relufit.export import ABOUT, ABOUT_CHECKSUM, save_params
from relufit.files import fit_file
from relufit.fits.plotting import plot_fit

X = np.linspace(-1, 7, 50)


def saved(found: Fit, folder: Path) -> Fit:
    found.save(folder / "fit.safetensors")
    return load(folder / "fit.safetensors")


FITS: dict[str, Any] = {
    "function": lambda: fit("sin(x)/x + 0.1", domain=(-0.1, 1 / 3), hidden=9),
    "noise": lambda: fit("noisy_sine", hidden=9, n=70),
    "callable": lambda: fit(np.cos, hidden=9),
    "data": lambda: fit(X, np.sqrt(np.abs(X)), hidden=9, weight=np.arange(50.0), test_fraction=0),
    "trained": lambda: fit("where(x > 0, x, 0)", epochs=2, hidden=9, backend=["torch-nosuch", "numpy"]),
    "inputs": lambda: fit(np.stack([X, X**2], axis=1), np.stack([X, -X], axis=1), hidden=4, epochs=2),
}


@pytest.mark.parametrize("name", FITS)
def test_a_round_trip_is_exact(name: str, tmp_path: Path) -> None:
    """Parameters, metrics (nan too), bounds and columns are equal bit for bit, and so is a second round."""
    found = FITS[name]()
    for other in (saved(found, tmp_path), saved(saved(found, tmp_path), tmp_path)):
        assert other.params == found.params
        assert {type(array.dtype) for array in other.params} == {type(np.dtype(np.float64))}
        assert repr(dict(other.metrics)) == repr(dict(found.metrics))  # nan is not equal to itself
        np.testing.assert_array_equal(other.bounds, found.bounds)
        assert other.columns == found.columns
        np.testing.assert_array_equal(other.predict(found.x), found.predict(found.x))
    if name in ("function", "noise", "trained"):
        assert other.target == replace(found.target, function=other.target.function)
        np.testing.assert_array_equal(other.target(found.x), found.target(found.x))
    else:
        assert other.target is None


@pytest.mark.parametrize("name", [name for name in FITS if name != "inputs"])
def test_a_loaded_fit_is_drawn_and_exported(name: str, tmp_path: Path) -> None:
    """The picture has the same interval, the exports the same values; printing works."""
    found = FITS[name]()
    other = saved(found, tmp_path)
    assert other.domain == found.domain
    assert plot_fit(other).axes[0].get_xlim() == pytest.approx(plot_fit(found).axes[0].get_xlim(), rel=0.02)
    np.testing.assert_array_equal(other.to_numpy_function()(X), found.predict(X))
    pytest.importorskip("torch")
    assert other.to_torch("float32").fc1.in_features == 1
    assert str(other).splitlines()[1:] == str(found).splitlines()[1:]
    assert "\n" not in repr(other)


def test_what_a_file_does_not_hold_is_said(tmp_path: Path) -> None:
    """A loaded fit has no state, and no data; float32 is checked on the bounds of several inputs."""
    other = saved(FITS["inputs"](), tmp_path)
    assert (other.x.shape, other.y.shape) == ((0, 2), (0, 2))
    with pytest.raises(RelufitError, match="read from a file has no state of training"):
        other.state  # noqa: B018
    far = fit(1.7e9 + X, X, hidden=4)
    with pytest.raises(RelufitError, match="float32 cannot hold"):
        saved(far, tmp_path).to_torch("float32")


def test_a_fit_of_a_table_keeps_its_columns(tmp_path: Path) -> None:
    """Names, times, rows and dropped rows of a file are loaded, and the picture shows dates."""
    (tmp_path / "a.csv").write_text("day,load\n" + "".join(f"2026-01-{k:02},{k % 5}\n" for k in range(1, 29)))
    found = fit_file(tmp_path / "a.csv", x="day", y="load")
    other = saved(found, tmp_path)
    assert (other.columns.x, other.metrics.rows, other.metrics.dropped) == (("day",), 28, 0)
    assert "2026" in str(other.plot().axes[1].xaxis.get_major_formatter().format_data(20454.0))
    assert float(other.predict(np.array(["2026-01-03"], "datetime64[D]"))[0]) == found.predict([1767398400.0])[0]


def test_older_files_load_with_what_they_have(tmp_path: Path) -> None:
    """A file of weights alone predicts; its metrics are unknown, and drawing says why it cannot."""
    path = tmp_path / "old.safetensors"
    params = init_params(5)
    save_params(params, path)
    found = load(path)
    assert found.metrics.hidden == 5
    assert np.isnan(found.metrics.mse)
    assert "solver" not in found.metrics
    assert found.predict(X).shape == (50,)
    assert str(found).startswith("data       unknown\n")
    for act in (found.plot, lambda: found.domain, lambda: found.to_torch()):
        with pytest.raises(RelufitError, match="does not say where it was fitted"):
            act()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"samples": 1000', '"samples": -1'),
        lambda text: text.replace('"hidden": 9', '"hiddem": 9'),
        lambda text: text.replace('"expression": "sin(x)"', '"expression": "import os"'),
        lambda text: text.replace('"bounds": [[', '"bounds": [[7, '),
        lambda text: text.replace('"noise": 0.0', '"noise": "much"'),
        lambda text: text[:-1],
        lambda text: "[]",
        lambda text: "{}",
    ],
)
@pytest.mark.parametrize("has_checksum", [True, False])
def test_what_was_not_saved_is_not_loaded(change: Any, has_checksum: bool, tmp_path: Path) -> None:
    """A changed description is refused by its checksum, and one that cannot have been written in any case."""
    path = tmp_path / "fit.safetensors"
    fit("sin(x)", hidden=9).save(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata, arrays = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    text = change(metadata[ABOUT])
    assert text != metadata[ABOUT]
    changed = metadata | {ABOUT: text}
    if has_checksum:
        changed[ABOUT_CHECKSUM] = sha256(text.encode()).hexdigest()
    safetensors.numpy.save_file(arrays, path, changed)
    with pytest.raises(RelufitError, match=r"fit.safetensors: it is damaged, what it says of the fit is not valid"):
        load(path)


def test_another_file_is_one_sentence(tmp_path: Path) -> None:
    """A missing file, a folder, another format and other tensors are refused."""
    path = tmp_path / "a.safetensors"
    for content in (b"", b"weights", safetensors.numpy.save({"weight": np.ones(3)})):
        path.write_bytes(content)
        with pytest.raises(RelufitError) as caught:
            load(path)
        assert "\n" not in str(caught.value)
    for name in (tmp_path, tmp_path / "nosuch.safetensors", 3):
        with pytest.raises(RelufitError, match="cannot read"):
            load(name)  # type: ignore[arg-type]


def test_a_target_with_a_function_of_its_own_is_saved_by_its_expression(tmp_path: Path) -> None:
    """A Target is loaded with its name, domain and noise, and the function of its expression."""
    mine = Target("mine", np.sin, (0.1, 0.7), expression="sin(x)")
    other = saved(fit(mine, hidden=3), tmp_path)
    assert other.target is not None
    assert (other.target.name, other.target.domain, other.target.noise) == ("mine", (0.1, 0.7), 0.0)
