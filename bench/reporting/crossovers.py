"""Where one backend overtakes another: the sentence of a crossover, and its table of sizes."""

from collections.abc import Iterable
from math import ceil

import pandas as pd

from bench.analysis import comparison
from bench.analysis.frames import Run
from bench.grid.sweep import Sweep
from bench.journal.status import Status
from bench.reporting.document import Document, Table
from bench.reporting.number_format import digits, whole
from bench.reporting.tables import Column, Columns, TableSpec, flat
from bench.reporting.verdict_tables import COMPARED, READ, loads_of, resolution_in_words, with_reasons
from bench.statistics.bisection import DECIDED, Crossing, Measured


def lay_out_crossover(run: Run, rows: pd.DataFrame, columns: Columns) -> Document:
    """The sentence, what the machine can tell apart, and the sizes one below the other."""
    loads = loads_of(comparison.crossover(run))
    return [crossover_in_words(run), resolution_in_words(run), crossover_table(run), *loads]


def crossover_table(run: Run) -> Table:
    """A line for each size: the times of both, how many times faster A is, and the verdict on it."""
    sweep = run.sweep
    assert sweep is not None
    titles = {"A": sweep.a, "B": sweep.b, "A is times faster": f"{sweep.a} is times faster"}
    own = [column._replace(title=titles.get(column.title, column.title)) for column in READ[1:]]
    return flat(comparison.crossover(run), [Column("size", sweep.symbol, whole), *own])


def crossover_in_words(run: Run) -> str:
    """Where which backend overtakes the other, or that none does, and what was not measured."""
    sweep, row = run.sweep, comparison.measured(run)
    assert sweep is not None
    if comparison.disagrees(run):
        claim = "No crossover is claimed"
    elif not row:
        claim = "Nothing was compared"
    else:
        found = comparison.crossings(run)
        claim = _overtaking(sweep, row, found) if found else _one_side(sweep, row)
    return " ".join(f"{text}." for text in (claim, *_missing(run, sweep)))


def _missing(run: Run, sweep: Sweep) -> list[str]:
    """A sentence for each size that a backend failed at, or that was not measured, and why."""
    found = []
    for size, cases in run.cases[run.cases.status != Status.OK].groupby(sweep.over):
        first = cases.iloc[0]
        verb = "was not measured" if first.status == Status.SKIPPED else first.status
        whose = f"{first.backend}: " if len(cases) == 1 or cases.reason.nunique() > 1 else ""
        found.append(f"{sweep.symbol} = {whole(size)} {verb}: {whose}{first.reason}")
    return found


def _overtaking(sweep: Sweep, row: list[Measured], found: list[Crossing]) -> str:
    """The first crossover, how far apart the backends are on either side of it, and the others."""
    first, *others = found
    slow, fast = _names(sweep, first.word == "FASTER")
    end = others[0].low if others else row[-1].size
    below = _times(point for point in row if point.size <= first.low)
    above = _times(point for point in row if first.high <= point.size <= end)
    text = (
        f"{fast} overtakes {slow} at {sweep.symbol} = {whole(ceil(first.size))} (between {whole(first.low)} and "
        f"{whole(first.high)}): {sweep.words()}; below, {slow} is up to {digits(max(below))} times faster, "
        f"above, {fast} up to {digits(max(above))} times"
    )
    for other in others:
        slow, fast = _names(sweep, other.word == "FASTER")
        text += f"; then {fast} overtakes {slow} between {whole(other.low)} and {whole(other.high)}"
    return text


def _names(sweep: Sweep, a_first: bool) -> tuple[str, str]:
    return (sweep.a, sweep.b) if a_first else (sweep.b, sweep.a)


def _times(points: Iterable[Measured]) -> list[float]:
    """How many times faster the faster one is, at the sizes where one clearly is."""
    return [max(point.ratio, 1 / point.ratio) for point in points if point.word in DECIDED]


def _one_side(sweep: Sweep, row: list[Measured]) -> str:
    """No crossover was seen: who is the faster where one clearly is."""
    n, times = sweep.symbol, _times(row)
    span = f"from {n} = {whole(row[0].size)} to {whole(row[-1].size)}" if len(row) > 1 else f"{n} = {row[0].size}"
    if not times:
        return f"Neither {sweep.a} nor {sweep.b} is clearly faster at any size measured, {span}: {sweep.words()}"
    fast, slow = _names(sweep, any(point.word == "FASTER" for point in row))
    where, rest = "every size", ""
    if len(times) < len(row):
        where, rest = f"{len(times)} of {len(row)} sizes", ", and at the others no difference is clear"
    far = " to ".join(dict.fromkeys([digits(min(times)), digits(max(times))]))
    return f"{fast} is faster than {slow} at {where} measured, {span}: {sweep.words()}; {far} times{rest}"


CROSSOVER = TableSpec(
    "crossover",
    lambda run: with_reasons(comparison.crossover(run)),
    f"{COMPARED} size",
    lay_out=lay_out_crossover,
    applies=lambda run: run.sweep is not None,
)
