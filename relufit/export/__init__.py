"""Keeping a network: a .safetensors file with the four arrays. Needs safetensors (relufit[export]).

Beside it, for other programs: torch_module.py, onnx_file.py, and numpy_function.py, which needs nothing else installed;
rounding.py refuses a precision that would lose the network.

The format has no checksum of its own, so a flipped bit would be another network: ours stands in the metadata.
"""

import os
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from relufit.errors import RelufitError, reason
from relufit.params import Params, demand_network, find_fault

CHECKSUM = "relufit_sha256"  # the one key of the metadata: safetensors writes several in no fixed order
KINDS = ("F32", "F64")  # as safetensors calls them; numpy alone has no bfloat16, and a network no integers


def check_can_save(path: str | Path) -> None:
    """Raise RelufitError where `save_params` would fail for want of the library, the right name or leave to write."""
    _safetensors()
    check_path(path, ".safetensors")


def check_path(path: str | Path, suffix: str) -> None:
    """Raise RelufitError unless `path` is one, ends in `suffix`, and can be written."""
    if not isinstance(path, (str, PathLike)) or Path(path).suffix != suffix:
        raise RelufitError(f"cannot write {path!r}: the name of a file must end in {suffix}")
    check_writable(path)


def check_writable(path: str | Path) -> None:
    """Raise RelufitError where `path` is a folder, its own does not exist, or the system lets nobody write there."""
    folder = Path(path).absolute().parent
    if os.path.isdir(path):
        raise RelufitError(f"cannot write {path}: it is a folder; give the name of a file")
    if not os.path.isdir(folder):
        raise RelufitError(f"cannot write {path}: there is no folder {Path(path).parent}")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        what = (
            "the file is write-protected" if os.path.exists(path) else f"nothing can be written to the folder {folder}"
        )
        raise RelufitError(f"cannot write {path}: {what}; choose another name")


def save_params(params: Params, path: str | Path) -> None:
    """Write `params` (numpy arrays) to `path`. Raises RelufitError where that, or loading them, cannot be done."""
    library = _safetensors()
    check_can_save(path)
    demand_network(params)
    try:
        arrays = {name: np.ascontiguousarray(array) for name, array in params._asdict().items()}
        library.numpy.save_file(arrays, path, {CHECKSUM: _checksum(arrays)})
    except (OSError, library.SafetensorError) as error:
        raise RelufitError(f"cannot write {path}: {reason(error)}") from None


def load_params(path: str | Path) -> Params:
    """Read what `save_params` wrote, unpickling nothing; or another program, whose files have no checksum.

    Raises RelufitError for a file that is missing, foreign or damaged, or whose weights are no network: not all
    float32 or all float64, not finite, of shapes that do not fit, without hidden units.
    """
    if not isinstance(path, (str, PathLike)):
        raise RelufitError(f"cannot read {path!r:.60}: give the name of a .safetensors file")
    if not os.path.isfile(path):
        known = "it is no regular file" if os.path.exists(path) else "there is no such file"
        what = "it is a folder" if os.path.isdir(path) else known
        raise RelufitError(f"cannot read {path}: {what}; give the name of a .safetensors file")
    params = Params(**_read(path))
    fault = find_fault(params)
    if fault is not None:
        raise RelufitError(f"cannot use {path}: its weights are {fault}")
    return params


def _read(path: str | Path) -> dict[str, np.ndarray]:
    """The four arrays by name, of types that numpy has: others are refused by the header, before they are read."""
    library = _safetensors()
    try:
        with library.safe_open(path, framework="numpy") as file:
            names = sorted(file.keys())
            if set(names) != set(Params._fields):
                raise RelufitError(
                    f"{path} holds {', '.join(names) or 'nothing'}, not a relufit network ({', '.join(Params._fields)})"
                )
            kinds = sorted({file.get_slice(name).get_dtype() for name in names})
            if len(kinds) > 1 or kinds[0] not in KINDS:
                raise RelufitError(
                    f"cannot use {path}: its weights are {', '.join(kinds)}, not all {' or '.join(KINDS)}"
                )
            arrays, told = {name: file.get_tensor(name) for name in names}, (file.metadata() or {}).get(CHECKSUM)
            if told not in (None, _checksum(arrays)):
                raise RelufitError(f"cannot use {path}: it is damaged, its weights are not those that were saved")
            return arrays
    except (OSError, library.SafetensorError) as error:
        raise RelufitError(f"cannot read {path}: {reason(error)}") from None


def _checksum(arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 of the four arrays: names, dtypes, shapes and values."""
    digest = sha256()
    for name in Params._fields:
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise RelufitError("safetensors is not installed: pip install relufit[export]") from None
    return safetensors
