"""Saving and loading: the same arrays back, and nothing but a RelufitError for files that are not ours."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from relufit import RelufitError, fit, init_params
from relufit.export import load_params, save_params


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """Bit for bit, with dtypes; Fortran-ordered arrays too."""
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
    """Missing, empty, cut short, of other arrays, of arrays that are no network."""
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


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """One sentence."""
    for name in ("no/such/x.safetensors", "x.pt", "nosuffix"):
        with pytest.raises(RelufitError, match="cannot write"):
            save_params(init_params(3), tmp_path / name)
