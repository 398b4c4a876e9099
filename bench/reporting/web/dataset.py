"""What the page filters: cases, training curves, fits, crossovers and earlier runs, as columns of numbers and words."""

import json
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Any

import numpy as np

from bench.analysis import learning, throughput
from bench.analysis.frames import Run, absence, focus, read, records, worst_share
from bench.analysis.pairs import comparison
from bench.analysis.pairs.history import History, histories, is_main
from bench.grid.case import ALONE
from bench.grid.cost import is_hinge
from bench.grid.workloads import WORKLOADS, named, workload
from bench.journal.schema import USUAL
from bench.journal.status import Status, statuses
from bench.reporting.changes import commit_of
from bench.reporting.history import change_in_words, environment_in_words
from bench.reporting.provenance import case_in_words
from bench.reporting.tables.crossovers import NO_GPU, crossover_in_words
from relufit import targets

Row = dict[str, Any]
TIMED = {"throughput": throughput.throughput, "scaling": throughput.scaling, "ensembles": throughput.ensembles}
UNTIMED = ("memory", "agreement", "trajectory")
CASE = ("setting", "backend", "work", "optimizer", "hidden", "dtype")  # what every part is filtered by
# A detail is what makes a case another one and has no column: the usual values are left out.
DETAILS = {"inputs": "D = {}", "outputs": "O = {}", "networks": "{} networks", "target": "{}", "scheme": "{} weights"}
MOST_LOOKS = 40  # points of a training curve
FIT_POINTS = 101
DIGITS = 4  # of a number: more than its interval supports
LETTERS = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "<>&"})


def in_json(value: object) -> str:
    """The value as JSON that neither ends a script element nor begins markup: ASCII without <, > and &."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(LETTERS)


def dataset(groups: dict[str, list[Run]]) -> dict[str, Any]:
    """Everything that the page filters, by part; a setting is a machine and how its processes were set."""
    ordered = sorted(groups.items(), key=lambda item: _rank(item[1][-1]))
    numbered = [(place, run) for place, (_, runs) in enumerate(ordered) for run in runs]
    named_of = {run.machine_slug: run.machine for _, run in numbered}
    names = [*named_of.values()]
    titles = {slug: name if names.count(name) == 1 else f"{name}, {slug}" for slug, name in named_of.items()}
    known = {run.path: run for _, shown in numbered for run in (shown, *shown.others)}
    folders = dict.fromkeys(path.parent for path in known)
    past = histories(folders, lambda path: known[path] if path in known else read(path))
    past = [each for each in past if each.runs[0].machine_slug in titles]
    return {
        "machines": [{"slug": slug, "title": title} for slug, title in titles.items()],
        "settings": [_setting(slug, runs) for slug, runs in ordered],
        "cases": columns(row for place, run in numbered for row in _cases(place, run)),
        "curves": columns(row for place, run in numbered for row in _curves(place, run)),
        "fits": columns(row for place, run in numbered for row in _fits(place, run)),
        "functions": {name: _function(name) for name in targets.ZOO},
        "best": columns(row for place, run in numbered for row in _best(place, run)),
        "crossings": columns(row for place, run in numbered for row in _crossings(place, run)),
        "history": columns(_history(past)),
        "changes": columns(_changes(past)),
        "no_gpu": NO_GPU,
        "works": {kind.name: kind.title for kind in WORKLOADS.values()},
        "sized": [*named(timed=True, table="throughput"), *named(table="scaling"), "backward"],
    }


def columns(rows: Iterable[Row]) -> Row:
    """The rows as a column for each field: texts as places in a list of distinct ones, numbers to DIGITS digits."""
    found = [*rows]
    return {name: _column([row[name] for row in found]) for name in (found[0] if found else ())}


def _column(values: list[Any]) -> Any:
    if not all(isinstance(value, str) for value in values):
        return [[*map(_number, value)] if isinstance(value, list | np.ndarray) else _number(value) for value in values]
    places = {word: place for place, word in enumerate(dict.fromkeys(values))}
    return {"words": [*places], "at": [places[value] for value in values]}


def _number(value: float) -> float | None:
    """The number to so many digits, an integer as it stands; None for nan and infinities, which JSON lacks."""
    if isinstance(value, int):
        return value
    rounded = float(f"{value:.{DIGITS}g}") if isfinite(value) else None
    return int(rounded) if rounded is not None and rounded.is_integer() and abs(rounded) < 1e9 else rounded


def _rank(run: Run) -> tuple[Any, ...]:
    """The order of settings: those of the whole grid come first, as installed before others."""
    return run.machine_slug, run.sweep is not None, bool(run.kind), bool(run.header["settings"]["threads"]), run.slug


def _setting(slug: str, runs: list[Run]) -> Row:
    newest = max([run for run in runs if run.shows("throughput")] or runs, key=lambda run: run.name)
    kind = newest.sweep.title if newest.sweep else newest.kind
    hidden, dtype = focus(newest)
    return {
        "slug": slug,
        "machine": newest.machine_slug,
        "title": ", ".join(filter(None, [kind, newest.setting, newest.name])),
        "threads": newest.threads,
        "conditions": newest.setting,
        "hidden": hidden,
        "dtype": dtype,
    }


def _key(place: int, row: Row) -> Row:
    return {"setting": place, **{name: row[name] for name in CASE[1:]}}


def _cases(place: int, run: Run) -> Iterator[Row]:
    """A row for each case of each backend that could run, and one for each that could not."""
    frames = [make(run) for table, make in TIMED.items() if run.shows(table)]
    frames += [learning.convergence(run)] * run.shows("convergence") + [learning.solvers(run)] * run.shows("solvers")
    others = [
        name for table in ("memory", "agreement", "trajectory") if run.shows(table) for name in named(table=table)
    ]
    for row in [row for frame in frames for row in records(frame)] + records(run.cases[run.cases.work.isin(others)]):
        if absence(run, row["backend"]) is None:
            yield _case(place, row)
    for name in run.header["backends"] if run.sweep is None else ():
        if (reason := absence(run, name)) is not None:
            empty = dict.fromkeys(("work", "optimizer", "dtype", "status", "target", "scheme", "algorithm"), "")
            own = {"backend": name, "status": Status.SKIPPED.value, "reason": reason, "device": "", "agreement": {}}
            yield _case(place, {**empty, "batch": np.nan, "hidden": np.nan, **own})


def _case(place: int, row: Row) -> Row:
    """One case: times in microseconds of a call, a step, or of a whole training run."""
    has_time = row["status"] in statuses(has_numbers=True)
    trained = row.get("train_seconds", np.nan) if row["work"] in ("convergence", "solving") else np.nan
    median = row.get("median_us", trained * 1e6) if has_time else np.nan
    details = [
        form.format(row[name])
        for name, form in DETAILS.items()
        if row.get(name, "") not in ("", USUAL[name]) and row["work"]
    ]
    remarks = [row["reason"], row.get("unsound", ""), row.get("under_load", "") and f"* {row['under_load']}"]
    return {
        **_key(place, row),
        "batch": row["batch"],
        "detail": ", ".join(details),
        "median": median,
        "low": np.fmin(row.get("low_us", np.nan), row.get("between_low_us", np.nan)) if has_time else np.nan,
        "high": np.fmax(row.get("high_us", np.nan), row.get("between_high_us", np.nan)) if has_time else np.nan,
        "roof": row.get("share_of_roof", np.nan),
        "error": row.get("error_share_of_bound", worst_share(row["agreement"])),
        "status": str(row["status"]),
        "reason": "; ".join(filter(None, remarks)),
        "device": row["device"].partition(":")[0],
        "hinge": int(is_hinge(row["algorithm"])),
    }


def _curves(place: int, run: Run) -> Iterator[Row]:
    """The lowest error so far against seconds, of training from spread weights and of solvers."""
    for case in records(run.cases[run.cases.work.isin(("convergence", "solving"))]):
        of_solver = case["work"] == "solving"
        seconds, errors = learning.curves(case, "train_seconds", "mse" if of_solver else "test_mse")
        shown = (seconds > 0) & np.isfinite(errors)
        if run.shows(workload(case["work"]).table) and shown.any() and (of_solver or case["scheme"] == "spread"):
            x, y = seconds[shown], np.minimum.accumulate(errors[shown])
            falls = np.flatnonzero(np.append(True, np.diff(y) < 0))
            few = falls[np.unique(np.linspace(0, len(falls) - 1, MOST_LOOKS).astype(int))]
            kept = np.append(few, len(x) - 1) if few[-1] != len(x) - 1 else few
            name = "numpy" if case["algorithm"] == ALONE else case["backend"]
            own = {"target": case["target"], "seconds": x[kept], "errors": y[kept]}
            yield {**_key(place, {**case, "backend": name}), **own}


def _fits(place: int, run: Run) -> Iterator[Row]:
    """What each backend learned of each known function by Adam from spread weights, and its last error."""
    cases = run.cases[(run.cases.work == "convergence") & (run.cases.status == Status.OK)]
    for case in records(cases) if run.shows("convergence") else []:
        if case["target"] in targets.ZOO and case["scheme"] == "spread" and case["optimizer"] == "adam":
            at = np.linspace(0, 1, len(case["curve"]))
            y = np.interp(np.linspace(0, 1, FIT_POINTS), at, case["curve"])
            yield {**_key(place, case), "target": case["target"], "y": y, "mse": case["test_mse"][-1]}


def _function(name: str) -> Row:
    x = np.linspace(*targets.ZOO[name].domain, FIT_POINTS)
    return {"x": [*map(_number, x)], "y": [*map(_number, targets.ZOO[name](x))]}


def _best(place: int, run: Run) -> Iterator[Row]:
    """The error of the best spline found of each function and width, which is the least that is known."""
    frame = learning.solvers(run)
    for (target, hidden), rows in frame.groupby(["target", "hidden"]) if len(frame) else ():
        if isfinite(best := learning.best_spline(rows)):
            yield {"setting": place, "target": target, "hidden": hidden, "mse": best}


def _crossings(place: int, run: Run) -> Iterator[Row]:
    """Each crossover that was found, or an entry without one, with the sentence on the whole search."""
    if (sweep := run.sweep) is None:
        return
    case, words = sweep.case(0), crossover_in_words(run)
    own = {"backend": sweep.a, **{name: getattr(case, name) for name in CASE[2:]}, "over": sweep.over, "b": sweep.b}
    for found in [crossing._asdict() for crossing in comparison.crossings(run)] or [{}]:
        ends = {end: found.get(end, np.nan) for end in ("low", "high", "size")}
        yield {"setting": place, **own, **ends, "words": words}


def _history(found: list[History]) -> Iterator[Row]:
    """The main cases over the runs of each machine and setting, with the band that its A/A run does not tell apart."""
    for each in found:
        runs = {run.name: run for run in each.runs}
        for row in records(each.times):
            if is_main(row):
                run, least = runs[row["run"]], row["least"]
                noise = {"noise_low": row["median_us"] / (1 + least), "noise_high": row["median_us"] * (1 + least)}
                ends = {"median": row["median_us"], "low": row["low_us"], "high": row["high_us"], **noise}
                own = {name: row[name] for name in (*CASE[1:], "batch", "run")}
                yield {**_place(run), **own, "commit": commit_of(run), **ends}


def _changes(found: list[History]) -> Iterator[Row]:
    """What became faster or slower, failed or vanished, newest first, and what changed in the environment beside it."""
    for each in found:
        runs = {run.name: run for run in each.runs}
        for row in records(each.changes.iloc[::-1]):
            new, old = runs[row["run"]], runs[row["before"]]
            own = {name: row[name] for name in (*CASE[1:], "batch", "run", "before")}
            words = {"what": case_in_words(row), "change": change_in_words(row)}
            yield {**_place(new), **own, **words, "environment": environment_in_words(new, old)}


def _place(run: Run) -> Row:
    return {"machine": run.machine_slug, "conditions": run.setting, "threads": run.threads}
