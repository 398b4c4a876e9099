"""Save and load a network: a .safetensors file of the four arrays and the columns. Needs safetensors (relufit[export]).

For other programs there are torch_module.py, onnx_file.py, and numpy_function.py, which needs numpy only. rounding.py
refuses a precision that would change the network's outputs.

The format has no checksum, so a flipped bit would go unnoticed: save_params writes one into the metadata.
"""

import json
import os
from dataclasses import asdict
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from relufit.errors import RelufitError, reason
from relufit.export.about import About
from relufit.network.params import Params, demand_network, find_fault
from relufit.reading.columns import TYPES, Columns

CHECKSUM = "relufit_sha256"  # key of the metadata: the checksum of the four arrays
COLUMNS = "relufit_columns"  # key of the metadata: Columns as JSON; missing where names and types are unknown
ABOUT = "relufit_fit"  # key of the metadata: About as JSON; missing in files of weights alone
ABOUT_CHECKSUM = "relufit_fit_sha256"
DTYPE_NAMES = ("F32", "F64")  # the dtypes of a network, as safetensors names them


def check_can_save(path: str | Path) -> None:
    """Raise RelufitError if `save_params` would fail: without safetensors, or for this path."""
    _safetensors()
    check_path(path, ".safetensors")


def check_path(path: str | Path, suffix: str) -> None:
    """Raise RelufitError unless `path` is a str or Path that ends in `suffix` and can be written."""
    if not isinstance(path, (str, PathLike)) or Path(path).suffix != suffix:
        raise RelufitError(f"cannot write {path!r}: the name of a file must end in {suffix}")
    check_writable(path)


def check_writable(path: str | Path) -> None:
    """Raise RelufitError if `path` is a folder, if its folder does not exist, or if it is not writable."""
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


def save_params(params: Params, path: str | Path, columns: Columns | None = None, about: About | None = None) -> None:
    """Write `params` (numpy arrays) to `path`, with the names and types of the columns, and what is known of the fit.

    Raises RelufitError where the file cannot be written, and for arrays that `load_params` would refuse.
    """
    library = _safetensors()
    check_can_save(path)
    demand_network(params)
    arrays = {name: np.ascontiguousarray(array) for name, array in params._asdict().items()}
    metadata = {CHECKSUM: _checksum(arrays)}
    if columns is not None and columns != Columns():
        metadata[COLUMNS] = json.dumps(asdict(columns))
    if about is not None:
        metadata[ABOUT] = about.to_json()
        metadata[ABOUT_CHECKSUM] = sha256(metadata[ABOUT].encode()).hexdigest()
    try:
        Path(path).write_bytes(_in_order(library.numpy.save(arrays, metadata)))
    except (OSError, library.SafetensorError) as error:
        raise RelufitError(f"cannot write {path}: {reason(error)}") from None


def load_params(path: str | Path) -> Params:
    """Read the arrays that `save_params` or another program wrote; nothing is unpickled.

    Files of other programs have no checksum.

    Raises RelufitError for a file that is missing, of another format or damaged, and for weights that do not form a
    network: not all float32 or all float64, not finite, of shapes that do not fit, or without hidden units.
    """
    return load_network(path)[0]


def load_network(path: str | Path) -> tuple[Params, Columns]:
    """Read arrays as `load_params` does, and the names and types of the columns; `Columns()` where they are unknown."""
    return load_fit(path)[:2]


def load_fit(path: str | Path) -> tuple[Params, Columns, About | None]:
    """Read what `load_network` does, and what is known of the fit; None for a file of weights alone."""
    if not isinstance(path, (str, PathLike)):
        raise RelufitError(f"cannot read {path!r:.60}: give the name of a .safetensors file")
    if not os.path.isfile(path):
        known = "it is no regular file" if os.path.exists(path) else "there is no such file"
        what = "it is a folder" if os.path.isdir(path) else known
        raise RelufitError(f"cannot read {path}: {what}; give the name of a .safetensors file")
    arrays, metadata = _read(path)
    params = Params(**arrays)
    fault = find_fault(params)
    if fault is not None:
        raise RelufitError(f"cannot use {path}: its weights are {fault}")
    columns = _columns(metadata.get(COLUMNS), params)
    if columns is None:
        raise RelufitError(f"cannot use {path}: it is damaged, its column names and types are not valid")
    return params, columns, _about(metadata, params, path)


def _about(metadata: dict[str, str], params: Params, path: str | Path) -> About | None:
    """What the metadata say of the fit. Raises RelufitError for what `save_params` cannot have written."""
    text = metadata.get(ABOUT)
    if text is None:
        return None
    try:
        if metadata.get(ABOUT_CHECKSUM) != sha256(text.encode()).hexdigest():
            raise ValueError("it is not what was saved")
        return About.from_json(text, len(params.w1))
    except ValueError as error:
        raise RelufitError(f"cannot use {path}: it is damaged, what it says of the fit is not valid: {error}") from None


def _columns(text: str | None, params: Params) -> Columns | None:
    """The columns of a network from their JSON; None for text that `save_params` cannot have written."""
    if text is None:
        return Columns()
    try:
        found = json.loads(text)
        columns = Columns(*(tuple(found.pop(name)) for name in ("x", "y", "types")))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    parts = ((columns.x, len(params.w1)), (columns.y, len(params.b2)), (columns.types, len(params.w1)))
    fits = all(len(part) in (0, wanted) and all(isinstance(one, str) for one in part) for part, wanted in parts)
    return columns if fits and not found and set(columns.types) <= set(TYPES) else None


def _in_order(content: bytes) -> bytes:
    """Sort the header of a file, so that equal networks give equal files: safetensors orders keys randomly."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the arrays begin at a multiple of 8
    return len(header).to_bytes(8, "little") + header + content[end:]


def _read(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read the four arrays by name, and the metadata.

    Types that numpy does not have are refused from the header, before the arrays are read.
    """
    library = _safetensors()
    try:
        with library.safe_open(path, framework="numpy") as file:
            names = sorted(file.keys())
            if set(names) != set(Params._fields):
                raise RelufitError(
                    f"{path} holds {', '.join(names) or 'nothing'}, not a relufit network ({', '.join(Params._fields)})"
                )
            dtypes = sorted({file.get_slice(name).get_dtype() for name in names})
            if len(dtypes) > 1 or dtypes[0] not in DTYPE_NAMES:
                raise RelufitError(
                    f"cannot use {path}: its weights are {', '.join(dtypes)}, not all {' or '.join(DTYPE_NAMES)}"
                )
            arrays, metadata = {name: file.get_tensor(name) for name in names}, file.metadata() or {}
            if metadata.get(CHECKSUM) not in (None, _checksum(arrays)):
                raise RelufitError(f"cannot use {path}: it is damaged, its weights are not those that were saved")
            return arrays, metadata
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
