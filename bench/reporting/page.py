"""The whole report: every table and figure, results/README.md, and the main table in the terminal.

Everything is made from results/raw alone: the same journals give the same bytes.
"""

import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pandas as pd

from bench.analysis.frames import Run
from bench.analysis.pairs import regressions
from bench.analysis.runs import runs
from bench.hardware.machine import usable_cores
from bench.journal.reader import Complain
from bench.reporting import changes, document, drawing, figures, terminal, web
from bench.reporting.document import (
    FORMATS,
    NO_CASES,
    Document,
    Element,
    Format,
    Heading,
    Table,
    markdown,
    write_text,
)
from bench.reporting.provenance import marks, provenance
from bench.reporting.readme import PAGE_TITLE, main_table, page_section, shortened
from bench.reporting.tables import TABLES
from bench.reporting.tables.spec import TableSpec
from bench.reporting.tables.verdicts import COMPARED, loads_of, verdict_table, with_reasons
from relufit.errors import RelufitError

MANY_RUNS = 3  # whose figures other processes draw; to begin one takes as long as to draw the figures of a run
MOST_LINES = 300  # of a file of tables that people read; a longer one is split by machine and setting


def report(
    results: Path,
    names: list[str] | None,
    formats: Sequence[str],
    against: str | None,
    baseline: str | None,
    say: Complain,
    out: Path | None,
) -> list[Run]:
    """Write tables, figures and page to `out`, unless it is None, and print the answer and main table of runs.

    These are the runs of these names or files; without names the newest of all where the report is written, else the
    newest of each machine and setting. Returns the newest of each machine and setting, or those named. Tables show
    older runs where newer ones have measured less.
    """
    chosen_formats = document.chosen(formats)
    # In pyarrow's storage, the default where it is installed, the texts of many small frames take twice the time.
    with pd.option_context("mode.string_storage", "python"):
        chosen = runs(results, names, say, baseline)
        older = runs(results, [against], say)[0] if against is not None else None
        if out is not None:
            try:
                write(out, chosen, chosen_formats, say)
                if older is not None:
                    write_against(out, chosen, older, chosen_formats)
            except OSError as error:
                raise RelufitError(f"cannot write to {out}: {error.strerror}") from None
        groups = {max(found, key=lambda run: run.name): found for found in _by_slug(chosen).values()}
        latest = max(groups, key=lambda run: run.name)
        for newest in groups if names or out is None else [latest]:
            terminal.show(newest)
            kept = [run.name for run in groups[newest] if TABLES[main_table(newest)].is_for(run)]
            if kept and newest.name not in kept:
                say(f"{kept[0]} has measured more and stays in the tables; --run {newest.name} shows this one there")
    return [*groups]


def advise(results: Path, names: list[str] | None, question: str, say: Complain) -> None:
    """Print what the newest runs, or those of these names or files, say of the sizes nearest to those of a question."""
    terminal.show_advice(runs(results, names, say), question)


def _by_slug(chosen: list[Run]) -> dict[str, list[Run]]:
    """The runs of each machine and setting; each that was named by itself."""
    found: dict[str, list[Run]] = {}
    slugs = [run.slug for run in chosen]
    for run in chosen:
        is_alone = run.tables is not None or slugs.count(run.slug) == 1
        found.setdefault(run.slug if is_alone else f"{run.slug}-{run.name}", []).append(run)
    return found


def write(out: Path, chosen: list[Run], formats: list[Format], say: Complain) -> None:
    """Write every file of the report; tables and figures of an earlier one that show no run any more are removed."""
    for folder in ("tables", "figures"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    cores, drawn = usable_cores(), dict[Run, list[Path]]()
    with drawing.drawer(cores if cores > 1 and len(chosen) >= MANY_RUNS else 0) as draw:
        for slug, found in _by_slug(chosen).items():
            for run in found:
                # Folders are named by others, and the label stands in links.
                made = figures.figures_of(run, out / "figures", _in_name(slug))
                drawn[run] = [*made]
                for path, figure in made.items():
                    draw(figure, path)
        written, places = _write_tables(out, chosen, formats)
        written |= {path.with_suffix(end) for own in drawn.values() for path in own for end in (".png", ".svg")}
        machines: dict[str, list[Run]] = {}
        for run in chosen:
            machines.setdefault(run.machine_slug, []).append(run)
        sections = {
            (max(run.name for run in own), slug): page_section(own, places, drawn) for slug, own in machines.items()
        }
        write_text(out / "README.md", markdown(shortened(sections)))
        page = [*PAGE_TITLE, *chain.from_iterable(sections.values())]
        _remove_others(out, written)
        web.write(out, page, _by_slug(chosen), written, say)


Places = dict[Run, dict[str, list[str]]]  # the names of the files of each run, by the table that they are of


def _write_tables(out: Path, chosen: list[Run], formats: list[Format]) -> tuple[set[Path], Places]:
    """Write every table of these runs that has rows; the files, and which of them show which run."""
    written, places = set[Path](), Places()
    for table in TABLES.values():
        runs_of_table = [run for run in chosen if table.is_for(run)]
        long = [table.long(run) for run in runs_of_table]
        files = _files(table, runs_of_table)
        sections = {name: [part for _, part in own] for name, own in files.items()}
        written |= _write_table(out, table.name, long, sections, formats)
        for name, own in files.items():
            for run, _ in own:
                places.setdefault(run, {}).setdefault(table.name, []).append(name)
    return written, places


def _remove_others(out: Path, written: set[Path]) -> None:
    """Remove the tables and figures of an earlier report that show no run any more."""
    kept = {path.resolve() for path in written}
    suffixes = [kind.suffix for kind in FORMATS.values()]
    ours = [path for name in TABLES for end in suffixes for path in (out / "tables").glob(f"{name}*.{end}")]
    ours += [path for name in figures.NAMES for path in (out / "figures").glob(f"{name}-*.*[gG]")]
    for path in ours:
        if path.resolve() not in kept:
            path.unlink(missing_ok=True)


Files = dict[str, list[tuple[Run, Document]]]  # by the name of the file: its sections


def _files(table: TableSpec, shown: list[Run]) -> Files:
    """The sections of what people read of a table, by file: one file, or several where it would be too long.

    Then there is one for each part of the table (`TableSpec.split`), or for each part, machine and setting.
    """
    files: Files = {table.name: [(run, section(run, table.name, table.document(run))) for run in shown]}
    if table.split and _lines(files[table.name]) > MOST_LINES:
        files = {}
        for run in shown:
            for part in table.parts(run):
                own = section(run, table.name, table.document(run, part))
                files.setdefault(f"{table.name}-{_in_name(str(part))}".strip("-"), []).append((run, own))
    for name, sections in [*files.items()]:
        if len({run.slug for run, _ in sections}) > 1 and _lines(sections) > MOST_LINES:
            del files[name]
            for run, own in sections:
                files.setdefault(f"{name}-{_in_name(run.slug)}", []).append((run, own))
    return files


def _lines(sections: list[tuple[Run, Document]]) -> int:
    """About the lines of these sections in Markdown."""
    elements = chain.from_iterable(part for _, part in sections)
    return sum(len(element.frame) + 3 if isinstance(element, Table) else 2 for element in elements)


def _in_name(text: str) -> str:
    """A text of a journal as a part of the name of a file."""
    return re.sub(r"[^\w.+-]+", "-", text)


def write_against(out: Path, chosen: list[Run], older: Run, formats: list[Format]) -> None:
    """Write a table `against` of verdicts: each of the other runs of its kind against the older one."""
    newer = [run for run in chosen if run.path != older.path and run.sweep == older.sweep]
    if not newer:
        raise RelufitError(f"--against {older.name}: that is the run itself; name a newer one with --run")
    frames, sections = [], []
    for run in newer:
        found = regressions.two_runs(run, older)
        frame = with_reasons(found.verdicts)
        table = verdict_table(frame) if len(frame) else NO_CASES
        loads = loads_of(frame)
        sections.append(section(run, "verdicts", [*changes.changes_in_words(run, older, found), table, *loads]))
        frames.append(frame[COMPARED.split()].assign(run=run.name, against=older.name))
    _write_table(out, "against", frames, {"against": sections}, formats)


def _write_table(
    out: Path, name: str, frames: list[pd.DataFrame], sections: dict[str, list[Document]], formats: list[Format]
) -> set[Path]:
    """Write one table of all runs that have it in each format, and return the files; none where no run has it.

    `sections` are those of each file that people read; the long frame of all runs is one file.
    """
    if not frames:
        return set()
    long = pd.concat(frames, ignore_index=True).infer_objects()  # a run without cases has columns without a type
    written = set()
    for kind in formats:
        for file, parts in sections.items() if kind.is_read else [(name, [])]:
            path = out / "tables" / f"{file}.{kind.suffix}"
            title = Heading(1, file.replace("-", " ").capitalize())
            kind.write(long, [title, *chain.from_iterable(parts)], path)
            written.add(path)
    return written


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
