"""Tables for the tests of reading: written as they are said, read whole, and what is said of bad ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relufit import RelufitError
from relufit.reading.tables import Chunk, read_table

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: tables cannot be read")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow without parquet")


def written(folder: Path, content: str | bytes, name: str = "data.csv") -> Path:
    """A file with this content, byte for byte."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet_of(folder: Path, row_group_size: int | None = None, **columns: Any) -> Path:
    """A parquet file with these columns."""
    path = folder / "data.parquet"
    parquet.write_table(pyarrow.table(columns), path, row_group_size=row_group_size)
    return path


def whole(path: Path, x: Any = "t", y: Any = "v", weight: str | None = None) -> Chunk:
    """All chunks as one."""
    chunks = list(read_table(path, x, y, weight))
    for chunk in chunks:
        for array in chunk[:3]:
            assert array is None or (array.dtype == np.float64 and np.isfinite(array).all())
    weights = None if weight is None else np.concatenate([chunk.weight for chunk in chunks if chunk.weight is not None])
    return Chunk(
        np.concatenate([chunk.x for chunk in chunks]),
        np.concatenate([chunk.y for chunk in chunks]),
        weights,
        sum(chunk.dropped for chunk in chunks),
    )


def message(path: Path, x: Any = "t", y: Any = "v", weight: str | None = None) -> str:
    """What the error says, its path cut to the name; one sentence, one line."""
    with pytest.raises(RelufitError) as caught:
        whole(path, x, y, weight)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path.parent}/", "")
