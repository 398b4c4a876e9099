"""What the commands print: the main table of a run, and comparisons."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from bench.analysis import throughput
from bench.analysis.frames import Run, absence, in_order, name_of, read, records
from bench.analysis.learning import is_of_solvers, solvers
from bench.analysis.pairs import commits, comparison, regressions, resolution
from bench.analysis.pairs.history import histories
from bench.analysis.runs import NO_RUNS, newest_aa, newest_ordinary, runs
from bench.journal import plan
from bench.journal.reader import Complain
from bench.reporting import changes, history
from bench.reporting.number_format import FASTEST, LOADED, NO_BREAK, ROUGH
from bench.reporting.provenance import loads_in_words
from bench.reporting.tables import crossovers
from bench.reporting.tables.answer import advise, answer, command
from bench.reporting.tables.learning import SHORT_SOLVERS
from bench.reporting.tables.spec import flat
from bench.reporting.tables.summary import focus_in_words, not_here, short_summary
from bench.reporting.tables.throughput import SHORT_REDUCED
from bench.reporting.tables.verdicts import loads_of, resolution_in_words, verdict_table
from relufit.errors import RelufitError

# Stands for a no-break space while rich breaks lines, for rich breaks at that too. No text of a journal holds it.
HELD = "\ue000"
PLAIN = {
    "±": "+-",
    "─": "-",
    "…": "...",
    "²": "^2",
    "–": "-",
    FASTEST: "<",
}  # what stands for a sign that a terminal lacks


def run_command(name: str, command: Callable[[Complain], int]) -> int:
    """Run a command with what prints its messages; an error that a user can cause is a message, and exit code 2."""

    def say(text: str) -> None:
        print(f"bench.{name}: {text}", file=sys.stderr, flush=True)

    try:
        return command(say)
    except RelufitError as error:
        say(str(error))
        return 2


LEGEND = (
    f"certain: the order, by a rank test, and by more than the machine drifts; {FASTEST} fastest of its column, or not "
    f"told apart from it; {ROUGH} interval above 10 %, or runs disagree; {LOADED} measured under load. tables/summary "
    "has intervals, what was running, and why a case was SKIPPED."
)


def show(run: Run) -> None:
    """Print the answer, the main table and why other backends are not in it; of a crossover its sizes and sentence."""
    lead, notes = list[str](), [*map(str, not_here(run))]
    if run.sweep is not None:
        loads = loads_of(comparison.crossover(run))
        title, notes = run.sweep.title, [crossovers.crossover_in_words(run), *loads]
        frame = crossovers.crossover_table(run).frame.drop(columns="why not more")
    elif is_of_solvers(run):
        title, frame = "solvers", flat(solvers(run), SHORT_SOLVERS).frame
        notes = [*loads_in_words(records(solvers(run))), *notes]
    else:
        title, frame = focus_in_words(run), short_summary(run)
        lead, notes = answer(run), [LEGEND, *notes]
        reduced = throughput.reduced(run)
        if throughput.throughput(run).empty and not reduced.empty:
            title = "products in reduced precision, all else in float32"
            frame = flat(reduced, SHORT_REDUCED).frame
    note = f"Run {run.name}, load average {run.cases.load_average.median():.2g}; every case is in tables/."
    ended_early = filter(None, [plan.in_words(run.header)])
    print_table(frame, f"{run.title}; {title}", [*notes, note, *ended_early], justify="right", lead=lead)


def show_advice(chosen: list[Run], question: str) -> None:
    """Print what runs say of the sizes nearest to those of a question, and the command that measures exactly them."""
    console = Console(highlight=False, markup=False, emoji=False)
    for run in chosen:
        if run.sweep is None and not is_of_solvers(run):
            lines = [
                f"{run.title}, {run.allocations}; run {run.name}",
                *(f"  {text}" for text in advise(run, question)),
            ]
            _print(console, [*map(_held, lines), ""])
    _print(console, [f"To measure exactly this: {command(question)}"])


def show_comparison(
    results: Path,
    a: str,
    b: str,
    name: str | None,
    baseline: str | None,
    limit: float,
    control: Sequence[str],
    say: Complain,
) -> pd.DataFrame:
    """Print the verdicts on two backends of a run, or on two runs, and how many are within the limit; returns them."""
    if _are_runs(results, a, b):
        new, old = (runs(results, [word], say, baseline)[0] for word in (a, b))
        changed = regressions.two_runs(new, old, control)
        frame, notes = changed.verdicts, changes.changes_in_words(new, old, changed)
        title = f"{new.name} against {old.name}"
    elif control:
        raise RelufitError("--control is for two runs; two backends of one run need none")
    else:
        chosen = name or newest_ordinary(results)
        run = max(runs(results, [chosen] if chosen else None, say), key=lambda run: run.name)
        _demand_backends(run, a, b)
        frame, notes = comparison.two_backends(run, a, b), [resolution_in_words(run)]
        title = f"{a} against {b}, run {run.name}: {run.machine}, {run.setting}"
    notes = [*loads_of(frame), *notes, changes.count_findings(frame, limit)]
    print_table(verdict_table(frame).frame, title, notes)
    return frame


def show_commits(new: Run, old: Run, names: list[str], limit: float, title: str) -> pd.DataFrame:
    """Print the verdicts on a newer commit against an older one, for these backends; returns them."""
    frame, control = commits.two_commits(new, old, names)
    titles = {"A": "NEW", "B": "OLD", "A is times faster": "NEW is times faster"}
    table = verdict_table(frame).frame.rename(columns=titles)
    notes = [*changes.control_in_words(new, old, control), changes.count_findings(frame, limit)]
    print_table(table, f"{title}: {new.machine}, {new.setting}", notes)
    return frame


def show_history(results: Path, chosen: Mapping[str, Collection[str]], say: Complain) -> None:
    """Print the runs of each machine and setting and what changed in each; of cases that are chosen, their times too.

    Raises RelufitError where there is no run, or none with a time of what is chosen.
    """
    found = histories(sorted((results / "raw").glob("*/")), partial(read, complain=say))
    is_narrowed = any(chosen.values())
    if not found:
        raise RelufitError(NO_RUNS.format(results / "raw"))
    shown = [each for each in (history.narrowed(each, chosen) for each in found) if len(each.times)]
    if not shown:
        wanted = ", ".join(f"{name} {' or '.join(values)}" for name, values in chosen.items() if values)
        raise RelufitError(f"no run has a time of {wanted}; python -m bench.compare --history lists all runs")
    console = Console(highlight=False, markup=False, emoji=False)
    for each in shown:
        changed = [*history.changes_by_run(each)]
        calm = [] if changed or len(each.runs) == 1 else [history.NO_CHANGES]
        lines = [history.title_of(each), *(f"  {line}" for line in history.runs_in_words(each).texts), *calm, ""]
        _print(console, [*map(_held, lines)])
        for title, table in [*([("times", history.times_by_run(each))] * is_narrowed), *changed]:
            print_table(table.frame, title, [])
    if not is_narrowed:
        _print(console, ["For times over the runs add --backend, --work or --batch."])


def show_resolution(results: Path) -> None:
    """Print what the newest A/A run can tell apart."""
    aa = max(filter(None, map(newest_aa, (results / "raw").iterdir())), key=lambda run: run.name)
    table = verdict_table(resolution.resolution_table(aa))
    print_table(table.frame, f"A/A: {aa.machine}, {aa.setting}", [resolution_in_words(aa)])


def _demand_backends(run: Run, *names: str) -> None:
    """Raise RelufitError where one of them is not in the run, or could not run there."""
    for name in names:
        if name not in in_order(run):
            raise RelufitError(f"{name!r} is neither a run nor a backend of {run.name}: {', '.join(in_order(run))}")
        if (reason := absence(run, name)) is not None:
            raise RelufitError(f"{name} could not run on that machine: {reason}")


def _are_runs(results: Path, a: str, b: str) -> bool:
    """Whether both words name runs. Raises RelufitError where only one of them does."""
    known = {name_of(path) for path in (results / "raw").glob("*/*.jsonl*")}
    are = [word in known or Path(word).is_file() for word in (a, b)]
    if are[0] != are[1]:
        raise RelufitError(f"{a} and {b} are not of one kind: two backends, or two runs of {', '.join(sorted(known))}")
    return are[0]


def print_table(
    frame: pd.DataFrame,
    title: str,
    notes: list[str],
    justify: Literal["left", "right"] = "left",
    lead: Sequence[str] = (),
) -> None:
    """Print a frame of text, what leads to it and its notes; the first column names the row and stays in one line.

    Where the words of its cells do not fit into the terminal side by side, each cell gets a line of its own.
    """
    console = Console(highlight=False, markup=False, emoji=False)  # cells are text, whatever stands in brackets
    table = Table(title=_held(title), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    widths = [_least_width(frame[name], whole=not place) for place, name in enumerate(frame.columns)]
    for place, (name, width) in enumerate(zip(frame.columns, widths, strict=True)):
        options: dict[str, Any] = {"justify": justify} if place else {"no_wrap": True}
        table.add_column(_held(name), overflow="fold", min_width=width, **options)
    for row in frame.itertuples(index=False):
        table.add_row(*map(_held, row))
    fits = sum(widths) + len(widths) <= console.width
    shown = [table] if fits else [_held(title), "", *_in_lines(frame), ""]
    _print(console, [*map(_held, lead), *([""] if lead else []), *shown, *map(_held, notes)])


def _print(console: Console, parts: list[Any]) -> None:
    """Print lines and tables in signs that the terminal has."""
    with console.capture() as printed:
        console.print(*parts, sep="\n")
    print(encodable(printed.get().replace(HELD, " "), sys.stdout.encoding), end="")


def _in_lines(frame: pd.DataFrame) -> Iterator[str]:
    """A line for each cell, below the one that names the row."""
    first, *others = frame.columns
    for row in records(frame):
        yield _held(row[first])
        yield from (f"  {_held(name)}: {_held(row[name])}".replace("\n", " ") for name in others if row[name])


def encodable(text: str, encoding: str | None) -> str:
    """The text in signs that a terminal of this encoding has: "+-" for a ± that it lacks, "?" for what has no other."""
    found = encoding or "ascii"
    lacking = {sign for sign in set(text) if sign != sign.encode(found, "ignore").decode(found)}
    for sign in lacking:
        text = text.replace(sign, PLAIN.get(sign, "?"))
    return text


def _least_width(column: pd.Series, whole: bool) -> int:
    """Characters of the longest word of a column with its name, or of its longest line."""
    lines = [line for cell in (column.name, *column) for line in _held(cell).splitlines()]
    return max((len(part) for line in lines for part in ([line] if whole else line.split())), default=0)


def _held(value: object) -> str:
    return str(value).replace(NO_BREAK, HELD)
