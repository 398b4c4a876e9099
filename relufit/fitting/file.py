"""Fit a table in a file: a small one as arrays, a large one summed into cells while it is read."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from inspect import signature
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from relufit.errors import RelufitError, counted
from relufit.fits.result import Fit
from relufit.fitting.fit import fit
from relufit.fitting.options import choose_solver, settle
from relufit.reading.columns import Columns
from relufit.reading.tables import Chunk, read_table
from relufit.solvers.methods import Solver, unpacked
from relufit.solvers.progress import status_line
from relufit.solvers.spline import fit_cells
from relufit.solvers.training import CHOOSE, Diverged
from relufit.spline.moments.cells import Cells, collect

ROWS = 2**20  # largest number of rows that are kept as arrays
OF_CELLS = ("hidden", "tolerance", "test_fraction", "seed", "progress")  # options of a fit of cells


def fit_file(
    path: str | Path,
    *,
    x: str | Sequence[str],
    y: str | Sequence[str],
    weight: str | None = None,
    solver: str | Solver = CHOOSE,
    **options: Any,
) -> Fit:
    """Fit columns of a csv or parquet file; `x`, `y` and `weight` are their names, `options` those of `fit`.

    The file is read as `read_table` describes. The Fit's `columns` hold the names, and whether x held times. Rows with
    a gap are left out; metrics["rows"] counts the rows used and metrics["dropped"] those left out. Up to 2^20 rows are
    fitted as they are. More rows are summed into cells as they are read, in memory that does not grow with the file;
    only solver "spline" can fit these.

    Options are checked before the file is read. Raises RelufitError as `read_table` and `fit` do, and for more than
    2^20 rows with another solver; TypeError for an option that `fit` does not have.
    """
    signature(fit).bind(None, None, **options)
    inputs, outputs = ((given,) if isinstance(given, str) else tuple(given) for given in (x, y))
    named, given = unpacked(solver, {**options, "weight": weight})
    kind, why = choose_solver(named, given, len(inputs), len(outputs))
    settled = settle(kind, given, of_data=True, reason=why)
    shown = options.get("progress")
    with status_line(sys.stderr.isatty() if shown is None else shown) as show:
        chunks = _Counted(read_table(path, x, y, weight), show)
        kept, cells = _read(chunks, kind == "spline" and len(inputs) == len(outputs) == 1)
    columns = Columns(inputs, outputs, chunks.types)
    try:
        if cells is None:
            arrays = [np.concatenate([chunk[k] for chunk in kept]) for k in (0, 1)]
            weights = None if weight is None else np.concatenate([chunk.weight for chunk in kept])
            found = fit(*arrays, weight=weights, solver=solver, **options)
        else:
            found = fit_cells(cells, **{name: settled[name] for name in OF_CELLS if name in settled})
    except Diverged as error:
        error.fit = None if error.fit is None else replace(error.fit, columns=columns)
        raise
    return replace(found.with_metrics(rows=chunks.rows, dropped=chunks.dropped), columns=columns)


def _read(chunks: "_Counted", may_sum: bool) -> tuple[list[Chunk], Cells | None]:
    """All chunks of a table of at most ROWS rows; of a larger one its cells, in memory that does not grow with it.

    Raises RelufitError for a larger table unless its rows may be summed.
    """
    kept: list[Chunk] = []
    for chunk in chunks:
        kept.append(chunk)
        if chunks.rows > ROWS:
            break
    if chunks.rows <= ROWS:
        return kept, None
    if not may_sum:
        raise RelufitError(f"the file has more than {ROWS} rows, which needs solver='spline' with one x and one y")
    every = chain(kept, chunks)
    kept = []  # so that each chunk is freed once it is summed
    return kept, collect(every)


class _Counted:
    """Iterate over chunks; count and show their rows, and note the types of x."""

    def __init__(self, chunks: Iterator[Chunk], show: Callable[[str], None]) -> None:
        self.chunks, self.show, self.rows, self.dropped = chunks, show, 0, 0
        self.types: tuple[str, ...] = ()

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> Chunk:
        chunk = next(self.chunks)
        self.rows, self.dropped = self.rows + len(chunk.x), self.dropped + chunk.dropped
        self.types = chunk.types if len(chunk.x) else self.types
        self.show(f"{counted(self.rows + self.dropped, 'row')} read")
        return chunk
