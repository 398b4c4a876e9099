"""Which runs a report shows: those named, or for each machine, setting and table the newest that fills it."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from bench.analysis.frames import AA, REDUCED, SHOWN_IN, Header, Run, in_order, name_of, read
from bench.grid.workloads import named
from bench.hardware import identity
from bench.journal.reader import Complain, read_first_line
from bench.journal.status import Status
from relufit.errors import RelufitError
from relufit.network.precision import PRECISIONS

# A newer run replaces an older one in a table if it has measured at least this share of what the older one has.
FULL_SHARE = 0.8
NO_RUNS = "there are no finished cases under {}; run pytest bench --benchmark-only first"


def runs(
    results: Path, names: list[str] | None = None, complain: Complain = lambda _: None, baseline: str | None = None
) -> list[Run]:
    """The runs of these names or files; without names, the runs to show of each machine and setting.

    These are the newest run and, for each table (`Run.tables`), the newest run that has measured enough of it: a short
    or narrow run does not replace a full one. A/A runs are attached to the others of their machine (`Run.aa`) and
    returned by name only.
    Raises RelufitError if no journal is found, or a name or the baseline is unknown.
    """
    found = {name_of(path): path for path in sorted((results / "raw").glob("*/*.jsonl*"))}
    for name in names or []:
        if name not in found and not Path(name).is_file():
            there = ", ".join(found) or "none"
            raise RelufitError(f"there is no run {name!r} under {results / 'raw'}; there are {there}")
    load, header = cache(partial(read, complain=complain)), cache(read_first_line)
    named = [load(found.get(name, Path(name))) for name in dict.fromkeys(names or [])]
    chosen = [run for run in named if not run.cases.empty] if names else _newest(found.values(), header, load)
    if not chosen:
        raise RelufitError(NO_RUNS.format(results / "raw"))
    if baseline is not None and not any((run.cases.backend == baseline).any() for run in chosen):
        known = dict.fromkeys(name for run in chosen for name in in_order(run))
        raise RelufitError(f"--baseline {baseline!r} is in none of these runs; there are {', '.join(known)}")
    places = {(run.path.parent, run.machine_slug) for run in chosen}
    aa = {place: newest_aa(*place) for place in places}
    for place, run in enumerate(chosen):
        own = None if run.profile == AA else aa[run.path.parent, run.machine_slug]
        chosen[place] = replace(run, others=_others(run, header, load), baseline=baseline or "", aa=own)
    return sorted(chosen, key=lambda run: (run.slug, run.name))


def _newest(paths: Iterable[Path], header: Callable[[Path], Header], load: Callable[[Path], Run]) -> list[Run]:
    """Of each machine and setting the newest run with cases, and those that its tables show."""
    found: dict[str, list[Run]] = {}  # newest first
    for path in sorted(paths, key=lambda path: path.stem, reverse=True):
        if header(path)["settings"]["profile"] != AA and not (run := load(path)).cases.empty:
            found.setdefault(run.slug, []).append(run)
    chosen = []
    for alike in found.values():
        tables: dict[Run, set[str]] = {alike[0]: set()}
        usual = _fullest(alike) or alike[0]
        for name in SHOWN_IN:
            tables.setdefault(_fullest(alike, name) or usual, set()).add(name)
        chosen += [replace(run, tables=frozenset(own)) for run, own in tables.items()]
    return chosen


def _fullest(alike: list[Run], table: str = "") -> Run | None:
    """The newest run that has measured at least FULL_SHARE of what any other has for this table, or for all of them.

    None where none has measured anything.
    """
    extents = [_extent(run, table) for run in alike]  # of the newest first
    enough = max(1, FULL_SHARE * max(extents))
    return next((run for run, own in zip(alike, extents, strict=True) if own >= enough), None)


def _extent(run: Run, table: str) -> int:
    """How much a run has measured for a table: its cases that ended well, each as often as it has passes."""
    rows = run.cases[run.cases.status == Status.OK]
    if table:
        is_reduced = rows.dtype.isin(PRECISIONS)
        rows = rows[is_reduced if table == REDUCED else ~is_reduced & rows.work.isin(named(table=table))]
    return int(sum(max(1, len(passes)) for passes in rows.passes))


def _others(run: Run, header: Callable[[Path], Header], load: Callable[[Path], Run]) -> tuple[Run, ...]:
    """The other runs of the same machine, setting, sources and versions; no crossovers.

    A crossover is a question by itself, which is answered by blocks that alternate.
    """
    if run.sweep is not None:
        return ()
    here = [path for path in sorted(run.path.parent.glob("*.jsonl*")) if path != run.path]
    ordinary = [path for path in here if not header(path)["settings"]["crossover"]]
    alike = [load(path) for path in ordinary if _conditions(header(path)) == _conditions(run.header)]
    return tuple(other for other in alike if not other.cases.empty)


def _conditions(header: Header) -> tuple[Any, ...]:
    """What two runs must share so that a case takes the same time in both."""
    machine, settings = header["machine"], header["settings"]
    hardware = identity.slug(machine, str(machine["cpu"]))
    same = hardware, machine["python"], machine["packages"], header["code"]["content_hash"]
    return *same, settings["threads"], settings["environment"]


def newest_ordinary(results: Path) -> str | None:
    """The name of the newest run that compares backends: no crossover, whose backends are two, and no solvers."""
    found = {}
    for path in (results / "raw").glob("*/*.jsonl*"):
        settings = read_first_line(path)["settings"]
        if not settings["crossover"] and settings["profile"] not in ("solvers", AA):
            found[name_of(path)] = path
    return max(found, default=None)


def newest_aa(folder: Path, machine_slug: str = "") -> Run | None:
    """The newest A/A run in a folder, of this machine where one is given, or None. It is its own A/A run."""
    paths = sorted(folder.glob("*.jsonl*"), key=lambda path: path.stem, reverse=True)
    found = (read(path) for path in paths if read_first_line(path)["settings"]["profile"] == AA)
    newest = next((run for run in found if not run.cases.empty and machine_slug in ("", run.machine_slug)), None)
    return None if newest is None else replace(newest, aa=newest)
