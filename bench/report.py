"""`python -m bench.report`: tables, figures and a page from the raw journals, and the main table in the terminal.

    python -m bench.report                      the newest run of each machine and setting
    python -m bench.report --run NAME ...       these runs
    python -m bench.report --against NAME       and what has changed since this older run
    python -m bench.report --format parquet,latex     the tables in these formats too, beside Markdown and CSV

Everything it writes is made again from results/raw alone: the same journals give the same bytes.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from bench.analysis import comparison, crossings, derived, solvers
from bench.analysis.frames import Run, runs
from bench.journal.writer import RESULTS
from bench.reporting import exports, figures, solver_tables, summary, terminal
from bench.reporting.crossover import phrase
from bench.reporting.document import Block, Heading, Table, Words, markdown
from bench.reporting.exports import Format, write_text
from bench.reporting.provenance import ledger, marks
from bench.reporting.tables import (
    LAYOUTS,
    cells_of_crossover,
    focus_in_words,
    lay_out_against,
    lay_out_crossover,
    lay_out_headline,
    lay_out_summary,
)
from relufit.errors import RelufitError

LONG: dict[str, Callable[[Run], pd.DataFrame]] = {
    "throughput": derived.throughput,
    "headline": summary.headline,
    "scaling": derived.scaling,
    "ensembles": derived.ensembles,
    "convergence": derived.convergence,
    "agreement": derived.agreement,
    "trajectory": derived.trajectory,
    "memory": derived.memory,
    "backends": derived.backends,
    "verdicts": comparison.against_baseline,
    "summary": summary.summary,
}
OF_CROSSOVERS: dict[str, Callable[[Run], pd.DataFrame]] = {"crossover": crossings.tabulate}
OF_SOLVERS: dict[str, Callable[[Run], pd.DataFrame]] = {"solvers": solvers.tabulate}


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and report; every error that a user can cause is one sentence and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--run", nargs="+", metavar="NAME", help="names of runs, or files; default: the newest of each machine"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder with raw/ (default: results)")
    parser.add_argument(
        "--format",
        default=",".join(exports.USUAL),
        help=f"of the tables, separated by commas: {', '.join(exports.FORMATS)}; %(default)s are always written",
    )
    parser.add_argument("--against", metavar="NAME", help="compare each of these runs with this older one")
    options = parser.parse_args(arguments)
    try:
        report(options.results, options.run, options.format.split(","), options.against)
    except RelufitError as error:
        print(f"bench.report: {error}", file=sys.stderr)
        sys.exit(2)


def report(
    results: Path, names: list[str] | None = None, formats: Sequence[str] = exports.USUAL, against: str | None = None
) -> None:
    """Write tables, figures and page under `results`, and print the main table of each run."""
    kinds = exports.chosen(formats)
    complain = lambda text: print(f"bench.report: {text}", file=sys.stderr)  # noqa: E731
    # In pyarrow's storage, the default where it is installed, the texts of many small frames take twice the time.
    with pd.option_context("mode.string_storage", "python"):
        chosen = runs(results, names, complain)
        older = runs(results, [against], complain)[0] if against is not None else None
        try:
            write(results, chosen, kinds)
            if older is not None:
                write_against(results, chosen, older, kinds)
        except OSError as error:
            raise RelufitError(f"cannot write to {results}: {error.strerror}") from None
        for run in chosen:
            show(run)


def write(results: Path, chosen: list[Run], kinds: list[Format]) -> None:
    """Write every file of the report."""
    for folder in ("tables", "figures"):
        (results / folder).mkdir(parents=True, exist_ok=True)
    for name, make in {**LONG, **OF_CROSSOVERS, **OF_SOLVERS}.items():
        concerned = [run for run in chosen if name in tables_of(run)]
        if not concerned:
            continue
        long = pd.concat(
            [
                make(run).assign(machine=run.machine, threads=run.threads, allocations=run.allocations, run=run.name)
                for run in concerned
            ],
            ignore_index=True,
        ).infer_objects()  # a run without cases has columns without a type
        blocks = [
            Heading(1, name.capitalize()),
            *(block for run in concerned for block in section(run, name, LAYOUTS[name](run))),
        ]
        for kind in kinds:
            kind.write(long, blocks, results / "tables" / f"{name}.{kind.suffix}")
    slugs = [run.slug for run in chosen]
    page = [*PAGE_TITLE]
    for run in chosen:
        label = run.slug if slugs.count(run.slug) == 1 else f"{run.slug}-{run.name}"
        label = re.sub(r"[^\w.+-]+", "-", label)  # folders are named by others: it stands in links
        page += page_section(run, figures.draw_all(run, results / "figures", label))
    write_text(results / "README.md", markdown(page))


def write_against(results: Path, chosen: list[Run], older: Run, kinds: list[Format]) -> None:
    """Write a table `against` of verdicts: each of the other runs of its kind against the older one."""
    newer = [run for run in chosen if run.path != older.path and run.question == older.question]
    if not newer:
        raise RelufitError(f"--against {older.name}: that is the run itself; name a newer one with --run")
    found = [(run, *comparison.two_runs(run, older)) for run in newer]
    blocks = [
        Heading(1, f"Against {older.name}"),
        *(block for run, frame, notes in found for block in section(run, "verdicts", lay_out_against(frame, notes))),
    ]
    long = pd.concat([frame.assign(run=run.name, against=older.name) for run, frame, _ in found], ignore_index=True)
    for kind in kinds:
        kind.write(long, blocks, results / "tables" / f"against.{kind.suffix}")


PAGE_TITLE: tuple[Block, ...] = (
    Heading(1, "Results"),
    Words(
        "Made by `python -m bench.report` from [raw](raw). Times are medians, ± half the width of a 95 % interval of "
        "the median.\n[What is inside the clock](../bench/README.md#what-is-inside-the-clock)."
    ),
)


def tables_of(run: Run) -> list[str]:
    """The tables that a run appears in: a crossover in one of its own, and in no other; so a run of solvers alone."""
    if run.question is not None:
        return [*OF_CROSSOVERS]
    own = [*OF_SOLVERS] if solvers.has_solvers(run) else []
    return [*own, "backends"] if is_of_solvers(run) else [*LONG, *own]


def is_of_solvers(run: Run) -> bool:
    """Whether solvers are all that was measured."""
    return solvers.has_solvers(run) and run.kind == "solvers"


def section(run: Run, table: str, blocks: list[Block]) -> list[Block]:
    """One run's part of a file: these blocks, rows that differ from most with a letter, and under them how and why."""
    marked = [_marked(block, marks(run)) for block in blocks]
    kind = run.question.title if run.question is not None else run.kind
    return [Heading(2, ": ".join(filter(None, (f"{run.machine}, {run.setting}", kind)))), *marked, *ledger(run, table)]


def _marked(block: Block, letters: dict[str, str]) -> Block:
    if not isinstance(block, Table):
        return block
    mark = lambda name: f"{name} ({letters[name]})" if letters.get(name) else name  # noqa: E731
    frame = block.frame.rename(columns=mark)  # of a crossover
    return block._replace(frame=frame.assign(backend=frame.backend.map(mark)) if "backend" in frame else frame)


def page_section(run: Run, figures: list[Path]) -> list[Block]:
    """One run's part of results/README.md."""
    pictures = [Words(f"![{path.stem}](figures/{path.name})") for path in figures]
    links = ", ".join(f"[{name}](tables/{name}.md)" for name in tables_of(run))
    table = "crossover" if run.question is not None else "solvers" if is_of_solvers(run) else "summary"
    return [*section(run, table, main_table(run)), Words(f"All tables: {links}."), *pictures]


def main_table(run: Run) -> list[Block]:
    """The table of the page: the summary, or for a run of the headline profile its ratios, a crossover, the solvers."""
    if run.question is not None:
        return lay_out_crossover(run)
    if is_of_solvers(run):
        return solver_tables.lay_out(run)
    return lay_out_headline(run) if run.profile == "headline" else lay_out_summary(run)


def show(run: Run) -> None:
    """Print the main table, and why the other backends are not in it; of a crossover its sizes and its sentence."""
    notes = [*filter(None, [summary.not_here(run)])]
    if run.question is not None:
        title, notes = run.question.title, [phrase(run)]
        frame = cells_of_crossover(run).drop(columns="why not more")
    elif is_of_solvers(run):
        title, frame = "solvers", solver_tables.in_short(run)
    else:
        title, frame = focus_in_words(run), summary.summary(run)
    note = (
        f"run {run.name}; ± is half a 95 % interval of the median; load average {run.cases.load_average.median():.2g}; "
        "every case is in tables/"
    )
    terminal.show(frame, f"{run.machine}, {run.threads}; {title}", [*notes, note], justify="right")


if __name__ == "__main__":
    main()
