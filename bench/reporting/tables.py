"""What a table of the report is declared as, and how its rows are laid out for people.

A table is one `TableSpec`: its rows, its columns with their units and digits, its layout, and the runs that it is for.
Every format is written from it. A new column is a field of the rows and one `Column`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from bench.analysis.frames import Run, in_order
from bench.analysis.learning import is_of_solvers
from bench.reporting.document import NO_CASES, Document, Heading, Table
from bench.reporting.number_format import power

Row = dict[str, Any]


class Column(NamedTuple):
    """One column of a table."""

    name: str = ""  # field of the rows, and column of the .csv; a column without one is made for readers alone
    title: str = ""  # heading for readers, with the unit; a column without one is in the .csv alone
    form: Callable[[Any], object] = lambda value: value  # a value as readers see it
    cell: Callable[[Row], object] | None = None  # in place of `form`: what readers see of the whole row


def in_csv(*names: str) -> tuple[Column, ...]:
    """Columns of the .csv alone."""
    return tuple(map(Column, names))


def shown(*names: str) -> tuple[Column, ...]:
    """Columns that readers see as they are, under the name of the field."""
    return tuple(Column(name, name) for name in names)


def is_ordinary(run: Run) -> bool:
    """Whether a run went over the grid: no crossover, and not solvers alone."""
    return run.question is None and not is_of_solvers(run)


@dataclass(frozen=True)
class TableSpec:
    """A table of the report."""

    name: str
    rows: Callable[[Run], pd.DataFrame]  # in long form
    lay_out: Callable[[Run, tuple[Column, ...]], Document]
    columns: tuple[Column, ...] = ()  # without any, the .csv has the columns of the rows
    applies: Callable[[Run], bool] = is_ordinary

    def document(self, run: Run) -> Document:
        """The table as people read it."""
        return self.lay_out(run, self.columns) or [NO_CASES]

    def long(self, run: Run) -> pd.DataFrame:
        """The columns of the .csv, and which run each row is of."""
        rows = self.rows(run)
        if names := [*dict.fromkeys(column.name for column in self.columns if column.name)]:
            rows = pd.DataFrame(columns=names) if rows.empty else rows[names]  # without rows columns have no types
        return rows.assign(machine=run.machine, threads=run.threads, allocations=run.allocations, run=run.name)


def flat(rows: pd.DataFrame, columns: Iterable[Column]) -> Table:
    """A row for each row, with the columns that readers see."""
    records = rows.to_dict("records")
    return Table(
        pd.DataFrame(
            {
                column.title: [
                    column.form(row[column.name]) if column.cell is None else column.cell(row) for row in records
                ]
                for column in columns
                if column.title
            },
            dtype=object,
        )
    )


def matrix(
    run: Run,
    rows: pd.DataFrame,
    cell: Callable[[Row], str],
    across: str = "batch",
    heading: Callable[[Any], str] = lambda samples: f"N = {power(samples)}",
    note: Callable[[pd.DataFrame], str] | None = None,
) -> Table:
    """Backends down, the values of one field across; in the last column a note on the rows of each backend."""
    cells = rows.assign(cell=[cell(row) for row in rows.to_dict("records")])
    table = cells.pivot_table(index="backend", columns=across, values="cell", aggfunc="first", sort=False)
    table = table[sorted(table.columns)].rename(columns=heading)
    table = table.reindex([name for name in in_order(run) if name in table.index])
    if note is not None:
        table["note"] = [note(rows[rows.backend == name]) for name in table.index]
    return Table(table.reset_index())


def sections(
    frame: pd.DataFrame,
    keys: Iterable[str],
    heading: Callable[..., str],
    body: Callable[[pd.DataFrame], Document],
    sort: bool = True,
) -> Document:
    """A heading and what stands under it for each combination of the keys."""
    if frame.empty:
        return []
    groups = frame.groupby([*keys], sort=sort)
    return [part for values, rows in groups for part in (Heading(3, heading(*values)), *body(rows))]
