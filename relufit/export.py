"""Keeping a network: a .safetensors file with the four arrays. Needs safetensors (relufit[export])."""

from pathlib import Path
from typing import Any

import numpy as np

from relufit.errors import RelufitError
from relufit.params import Params


def check_can_save(path: str | Path) -> None:
    """Raise RelufitError where `save_params` would fail for want of the library, the folder or the right name."""
    _safetensors()
    if Path(path).suffix != ".safetensors":
        raise RelufitError(f"cannot write {str(path)!r}: its name must end in .safetensors")
    check_folder(path)


def check_folder(path: str | Path) -> None:
    """Raise RelufitError unless the folder of `path` exists."""
    if not Path(path).absolute().parent.is_dir():
        raise RelufitError(f"cannot write {path}: there is no folder {Path(path).parent}")


def save_params(params: Params, path: str | Path) -> None:
    """Write `params` (numpy arrays) to `path`. Raises RelufitError where that cannot be done."""
    library = _safetensors()
    check_can_save(path)
    try:
        library.numpy.save_file(
            {k: np.ascontiguousarray(v) for k, v in params._asdict().items()}, path, {"format": "relufit"}
        )
    except (OSError, library.SafetensorError) as error:
        raise RelufitError(f"cannot write {path}: {error}") from None


def load_params(path: str | Path) -> Params:
    """Read what `save_params` wrote, unpickling nothing. Raises RelufitError for a missing, foreign or damaged file."""
    library = _safetensors()
    try:
        arrays = library.numpy.load_file(path)
    except (OSError, library.SafetensorError) as error:
        raise RelufitError(f"cannot read {path}: {error}") from None
    if set(arrays) != set(Params._fields):
        raise RelufitError(
            f"{path} holds {', '.join(sorted(arrays))}, not a relufit network ({', '.join(Params._fields)})"
        )
    params = Params(**arrays)
    shapes = [p.shape for p in params]
    d, h, o = (shapes[0] + shapes[2][-1:])[-3:] if len(shapes[0]) == len(shapes[2]) == 2 else (0, 0, 0)
    if shapes != [(d, h), (h,), (h, o), (o,)]:
        raise RelufitError(f"{path} holds arrays of shapes {shapes}, which are no network")
    return params


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise RelufitError("safetensors is not installed: pip install relufit[export]") from None
    return safetensors
