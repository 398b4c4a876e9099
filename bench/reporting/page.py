"""The whole report: every table and figure, results/README.md, and the main table in the terminal.

Everything is made from results/raw alone: the same journals give the same bytes.
"""

import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pandas as pd

from bench.analysis import regressions
from bench.analysis.cpu_gpu import has_gpu
from bench.analysis.frames import Run, runs
from bench.analysis.learning import is_of_solvers
from bench.journal.reader import Complain
from bench.reporting import (
    changes,
    crossovers,
    document,
    figures,
    learning_tables,
    terminal,
    throughput_tables,
    verdict_tables,
)
from bench.reporting.document import (
    FORMATS,
    NO_CASES,
    Document,
    Element,
    Format,
    Heading,
    Table,
    Words,
    markdown,
    write_text,
)
from bench.reporting.provenance import marks, provenance
from relufit.errors import RelufitError

TABLES = {
    table.name: table
    for table in (
        throughput_tables.THROUGHPUT, throughput_tables.HEADLINE_TABLE, throughput_tables.SCALING,
        throughput_tables.ENSEMBLES, learning_tables.CONVERGENCE, learning_tables.AGREEMENT,
        learning_tables.TRAJECTORY, throughput_tables.MEMORY, learning_tables.SOLVERS_TABLE,
        throughput_tables.BACKENDS, verdict_tables.VERDICTS, throughput_tables.SUMMARY_TABLE, crossovers.CROSSOVER,
        crossovers.CPU_GPU,
    )
}  # fmt: skip
PAGE_TITLE: tuple[Element, ...] = (
    Heading(1, "Results"),
    Words(
        "Made by `python -m bench.report` from [raw](raw). Times are medians with a 95 % interval of the median: "
        "± half its\nwidth, or both ends where that is above 10 %, or the range of several runs where they disagree.\n"
        "[What is inside the clock](../bench/README.md#what-is-inside-the-clock)."
    ),
)


def report(
    results: Path,
    names: list[str] | None,
    formats: Sequence[str],
    against: str | None,
    baseline: str | None,
    say: Complain,
    out: Path | None,
) -> list[Run]:
    """Write tables, figures and page to `out`, unless it is None, and print the main table of each run.

    Returns the runs that were printed: those of these names or files, or else the newest of each machine and setting.
    Tables show older ones where newer ones have measured less.
    """
    chosen_formats = document.chosen(formats)
    # In pyarrow's storage, the default where it is installed, the texts of many small frames take twice the time.
    with pd.option_context("mode.string_storage", "python"):
        chosen = runs(results, names, say, baseline)
        older = runs(results, [against], say)[0] if against is not None else None
        if out is not None:
            try:
                write(out, chosen, chosen_formats)
                if older is not None:
                    write_against(out, chosen, older, chosen_formats)
            except OSError as error:
                raise RelufitError(f"cannot write to {out}: {error.strerror}") from None
        printed = []
        for found in _by_slug(chosen).values():
            newest = max(found, key=lambda run: run.name)
            printed.append(newest)
            terminal.show(newest)
            kept = [run.name for run in found if TABLES[main_table(newest)].is_for(run)]
            if kept and newest.name not in kept:
                say(f"{kept[0]} has measured more and stays in the tables; --run {newest.name} shows this one there")
    return printed


def _by_slug(chosen: list[Run]) -> dict[str, list[Run]]:
    """The runs of each machine and setting; each that was named by itself."""
    found: dict[str, list[Run]] = {}
    slugs = [run.slug for run in chosen]
    for run in chosen:
        is_alone = run.tables is not None or slugs.count(run.slug) == 1
        found.setdefault(run.slug if is_alone else f"{run.slug}-{run.name}", []).append(run)
    return found


def write(out: Path, chosen: list[Run], formats: list[Format]) -> None:
    """Write every file of the report; tables and figures of an earlier one that show no run any more are removed."""
    written: set[Path] = set()
    for folder in ("tables", "figures"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    sections = {}
    for name, table in TABLES.items():
        sections[name] = {run: section(run, name, table.document(run)) for run in chosen if table.is_for(run)}
        frames = [table.long(run) for run in sections[name]]
        written |= _write_table(out, name, name.capitalize(), frames, [*sections[name].values()], formats)
    page = [*PAGE_TITLE]
    without_gpu = {run.machine_slug for run in chosen} - {run.machine_slug for run in chosen if has_gpu(run)}
    for slug, found in _by_slug(chosen).items():
        label = re.sub(r"[^\w.+-]+", "-", slug)  # folders are named by others: it stands in links
        drawn = [path for run in found for path in figures.draw_all(run, out / "figures", label)]
        written |= {path.with_suffix(suffix) for path in drawn for suffix in (".png", ".svg")}
        tables = [name for name in TABLES if any(run in sections[name] for run in found)]
        first = [main_table(run) for run in found] + tables  # where no run has its main table, another one
        shown = [sections[name][run] for name in first for run in found if run in sections[name]]
        page += page_section(shown[0], tables, drawn) if shown else []
        if shown and found[0].machine_slug in without_gpu:
            page.append(crossovers.NO_GPU)
            without_gpu.remove(found[0].machine_slug)
    write_text(out / "README.md", markdown(page))
    kept = {path.resolve() for path in written}
    ours = [out / "tables" / f"{name}.{kind.suffix}" for name in TABLES for kind in FORMATS.values()]
    ours += [path for name in figures.NAMES for path in (out / "figures").glob(f"{name}-*.*[gG]")]
    for path in ours:
        if path.resolve() not in kept:
            path.unlink(missing_ok=True)


def write_against(out: Path, chosen: list[Run], older: Run, formats: list[Format]) -> None:
    """Write a table `against` of verdicts: each of the other runs of its kind against the older one."""
    newer = [run for run in chosen if run.path != older.path and run.sweep == older.sweep]
    if not newer:
        raise RelufitError(f"--against {older.name}: that is the run itself; name a newer one with --run")
    frames, sections = [], []
    for run in newer:
        found = regressions.two_runs(run, older)
        frame = verdict_tables.with_reasons(found.verdicts)
        table = verdict_tables.table(frame) if len(frame) else NO_CASES
        loads = verdict_tables.loads_of(frame)
        sections.append(section(run, "verdicts", [*changes.changes_in_words(run, older, found), table, *loads]))
        frames.append(frame[verdict_tables.COMPARED.split()].assign(run=run.name, against=older.name))
    _write_table(out, "against", f"Against {older.name}", frames, sections, formats)


def _write_table(
    out: Path, name: str, title: str, frames: list[pd.DataFrame], sections: list[Document], formats: list[Format]
) -> set[Path]:
    """Write one table of all runs that have it in each format, and return the files; none where no run has it."""
    if not frames:
        return set()
    long = pd.concat(frames, ignore_index=True).infer_objects()  # a run without cases has columns without a type
    paths = {out / "tables" / f"{name}.{kind.suffix}": kind for kind in formats}
    for path, kind in paths.items():
        kind.write(long, [Heading(1, title), *chain.from_iterable(sections)], path)
    return set(paths)


def section(run: Run, table: str, parts: Document) -> Document:
    """One run's part of a file: rows that differ from most have a letter, and the provenance stands at the end."""
    letters = marks(run)
    kind = run.sweep.title if run.sweep is not None else run.kind
    title = ": ".join(filter(None, (f"{run.machine}, {run.setting}", kind)))
    return [Heading(2, title), *(_marked(part, letters) for part in parts), *provenance(run, table)]


def _marked(element: Element, letters: dict[str, str]) -> Element:
    if not isinstance(element, Table):
        return element
    mark = lambda name: f"{name} ({letters[name]})" if letters.get(name) else name  # noqa: E731
    frame = element.frame.rename(columns=mark)  # the columns of a crossover are named after backends
    return element._replace(frame=frame.assign(backend=frame.backend.map(mark)) if "backend" in frame else frame)


def main_table(run: Run) -> str:
    """The name of the table on the page: of an ordinary run the summary, or its ratios."""
    if run.sweep is not None:
        return "crossover"
    return "solvers" if is_of_solvers(run) else "headline" if run.profile == "headline" else "summary"


def page_section(main: Document, tables: list[str], drawn: list[Path]) -> Document:
    """The part of results/README.md on a machine and setting: its main table, links to all, and its figures."""
    links = ", ".join(f"[{table}](tables/{table}.md)" for table in tables)
    pictures = [Words(f"![{path.stem}](figures/{path.name})") for path in drawn]
    return [*main, Words(f"All tables: {links}."), *pictures]
