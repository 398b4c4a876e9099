"""What a table of the report is declared as, and how its rows are laid out for people.

A table is one `TableSpec`: its rows, its columns with their units and digits, its layout, and the runs that it is for.
Every format is written from it. A new column is a field of the rows and one `Column`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from bench.analysis.frames import SHOWN_IN, Run, absence, in_order, records, sorted_by_backend
from bench.analysis.learning import is_of_solvers
from bench.reporting.document import NO_CASES, Document, Element, Heading, Table
from bench.reporting.number_format import power

Row = dict[str, Any]
NOTES = {"note", "reason"}  # columns of sentences, which stand under the table with a number each


class Column(NamedTuple):
    """One column of a table."""

    name: str = ""  # field of the rows, and column of the .csv; a column without one is made for readers alone
    title: str = ""  # heading for readers, with the unit
    form: Callable[[Any], object] = lambda value: value  # a value as readers see it
    cell: Callable[[Row], object] | None = None  # in place of `form`: what readers see of the whole row


Columns = tuple[Column, ...]


def shown(names: str) -> Columns:
    """Columns that readers see as they are, under the name of the field."""
    return tuple(Column(name, name) for name in names.split())


def is_ordinary(run: Run) -> bool:
    """Whether a run went over the grid: no crossover, and not solvers alone."""
    return run.sweep is None and not is_of_solvers(run)


def flat(rows: pd.DataFrame, columns: Iterable[Column]) -> Table:
    """A line for each row."""
    found = records(rows)
    cells = {
        column.title: [column.form(row[column.name]) if column.cell is None else column.cell(row) for row in found]
        for column in columns
    }
    return Table(pd.DataFrame(cells, dtype=object))


def flat_by_backend(run: Run, rows: pd.DataFrame, columns: Columns) -> Document:
    """A row for each row, in the order of the run's backends."""
    return [flat(sorted_by_backend(run, rows), columns)]


@dataclass(frozen=True)
class TableSpec:
    """A table of the report: for readers a small table for each combination of `keys`, under a heading."""

    name: str
    rows: Callable[[Run], pd.DataFrame]  # in long form
    csv: str = ""  # the columns of the .csv, separated by blanks; those of `columns` that it lacks follow
    columns: Columns = ()  # for readers
    lay_out: Callable[[Run, pd.DataFrame, Columns], Document] = flat_by_backend  # one small table
    keys: str = ""  # fields, separated by blanks; without any there is one table and no heading
    heading: str = ""  # with the keys in braces
    note: Element = ""  # stands before the tables
    applies: Callable[[Run], bool] = is_ordinary
    sort: bool = True  # by the keys; else the small tables are in the order of the rows
    split: str = ""  # a field; what people read has a file for each of its values
    absent: bool = False  # shows backends that could not run too

    @property
    def source(self) -> str:
        """The table whose runs it shows: its own, or that of the times that it is made from."""
        return self.name if self.name in SHOWN_IN else "throughput"

    def is_for(self, run: Run) -> bool:
        """Whether the table of a report has a section on this run."""
        return self.applies(run) and run.shows(self.source)

    def document(self, run: Run, part: str = "") -> Document:
        """The table as people read it; of a table that is split, one value's part of it."""
        rows, keys = self._present(run), self.keys.split()
        if part:
            rows = rows[rows[self.split] == part]
        if rows.empty:
            return [NO_CASES]
        document: Document = [self.note] if self.note else []
        for values, group in rows.groupby(keys, sort=self.sort) if keys else [((), rows)]:
            title = self.heading.format(**dict(zip(keys, values, strict=True)))
            document += [*([Heading(3, title)] if keys else []), *self.lay_out(run, group, self.columns)]
        return _with_footnotes(document) or [NO_CASES]

    def _present(self, run: Run) -> pd.DataFrame:
        """The rows without those of backends that could not run: the table `backends` has one for each, and why."""
        rows = self.rows(run)
        if self.absent or "backend" not in rows:
            return rows
        return rows[[absence(run, name) is None for name in rows.backend]].reset_index(drop=True)

    def parts(self, run: Run) -> list[str]:
        """The values by which the table is split; one empty text where it is not."""
        rows = self.rows(run)
        return [*dict.fromkeys(rows[self.split])] if self.split and len(rows) else [""]

    def long(self, run: Run) -> pd.DataFrame:
        """The columns of the .csv, and which run each row is of."""
        rows = self._present(run)
        names = [*dict.fromkeys([*self.csv.split(), *(column.name for column in self.columns if column.name)])]
        if names:  # else the columns of the rows
            rows = pd.DataFrame(columns=names) if rows.empty else rows[names]  # without rows columns have no types
        # Short cells: the words of the headings would be a tenth of the largest file.
        threads, allocations = (
            words.removeprefix(name).replace("as installed", "default")
            for name, words in (("threads ", run.threads), ("allocations ", run.allocations))
        )
        return rows.assign(machine=run.machine_slug, threads=threads, allocations=allocations, run=run.name)


def matrix(
    run: Run,
    rows: pd.DataFrame,
    cell: Callable[[Row], str],
    across: str = "batch",
    heading: Callable[[Any], str] = lambda samples: f"N = {power(samples)}",
    note: Callable[[list[Row]], str] | None = None,
) -> Table:
    """Backends down, the values of one field across; in the last column a note on the rows of each backend."""
    found = records(rows)
    here = {row["backend"] for row in found}
    names = [name for name in in_order(run) if name in here]
    cells = {(row["backend"], row[across]): cell(row) for row in reversed(found)}  # of two rows the first one counts
    table = {"backend": names}
    for value in sorted({row[across] for row in found}):
        table[heading(value)] = [cells.get((name, value), "") for name in names]
    if note is not None:
        table["note"] = [note([row for row in found if row["backend"] == name]) for name in names]
    return Table(pd.DataFrame(table))


def _with_footnotes(document: Document) -> Document:
    """The document with numbers in the column of notes, and each cause once, with its number, at the end."""
    numbers: dict[str, int] = {}

    def number(cell: str) -> str:
        causes = filter(None, str(cell).split("; "))
        return ", ".join(str(numbers.setdefault(cause, len(numbers) + 1)) for cause in causes)

    found = [
        element._replace(frame=element.frame.assign(**{name: element.frame[name].map(number) for name in names}))
        if isinstance(element, Table) and (names := NOTES & {*element.frame.columns})
        else element
        for element in document
    ]
    notes = "; ".join(f"({place}) {cause}" for cause, place in numbers.items())
    return [*found, f"Notes: {notes}."] if notes else found
