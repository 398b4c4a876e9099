"""The pieces of a piecewise-linear function as a table: columns of numbers, aligned text, a .csv file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from relufit.errors import RelufitError, reason
from relufit.export import check_path

DIGITS, MOST_DIGITS = 6, 17  # significant digits that are shown; all those that a float64 has
LONGEST, ENDS = 60, 10  # rows that are shown; of a longer table the first and the last ENDS


def columns_of(x: np.ndarray, of_outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns (K,) by name: `from` and `to` of the breaks x (K + 1,), and those of each output.

    A column (K, O) becomes O numbered ones: slope_0, slope_1 and so on.
    """
    columns = {"from": x[:-1], "to": x[1:]}
    for name, values in of_outputs.items():
        if values.ndim == 1:
            columns[name] = values
        else:
            columns |= {f"{name}_{output}": column for output, column in enumerate(values.T)}
    return columns


def aligned(columns: Mapping[str, Sequence[str]]) -> str:
    """The columns of a table as lines of text, aligned at the right, under their names."""
    rows = list(zip(*columns.values(), strict=True))
    if len(rows) > LONGEST:
        rows = [*rows[:ENDS], ("...",) * len(columns), *rows[-ENDS:]]
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines = (zip(row, widths, strict=True) for row in (tuple(columns), *rows))
    return "\n".join("  ".join(text.rjust(width) for text, width in line) for line in lines)


def as_texts(columns: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
    """The numbers of each column as text of DIGITS digits; `from` and `to` have as many as tell the breaks apart."""
    breaks = np.append(columns["from"], columns["to"][-1])
    digits = next(count for count in range(DIGITS, MOST_DIGITS + 1) if _are_told_apart(breaks, count))
    return {
        name: [f"{value:.{digits if name in ('from', 'to') else DIGITS}g}" for value in values.tolist()]
        for name, values in columns.items()
    }


def write_csv(columns: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Write the columns to a .csv file; the numbers read back are the same. Raises RelufitError if that fails."""
    check_path(path, ".csv")
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    lines = [",".join(columns), *(",".join(map(repr, row)) for row in rows)]
    try:
        Path(path).write_text("\n".join(lines) + "\n")
    except OSError as error:
        raise RelufitError(f"cannot write {path}: {reason(error)}") from None


def _are_told_apart(values: np.ndarray, digits: int) -> bool:
    """Whether increasing numbers stay different when they are written with so many digits."""
    texts = [f"{value:.{digits}g}" for value in values.tolist()]
    return len(set(texts)) == len(texts)
