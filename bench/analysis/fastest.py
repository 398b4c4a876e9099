"""The fastest backend of each timed case of a run, and what is certain about it: the answer that a reader came for."""

from functools import lru_cache
from math import ceil
from typing import Any

import pandas as pd

from bench.analysis.frames import Run, in_order
from bench.analysis.pairs.comparison import TABLE, compare_in_one_run
from bench.analysis.verdicts import Found, Row, median_seconds, rows_of, table_of
from bench.grid.workloads import named
from bench.journal.schema import CASE_FIELDS
from bench.journal.status import Status
from bench.statistics.verdicts import MARGIN

NUMPY_ONLY = ("numpy", "numpy-hinge")  # backends that need no library beside numpy
TORCH = "torch"  # backends and recipes of torch begin with this
NAN = float("nan")

Key = tuple[Any, ...]  # the values of CASE_FIELDS
COLUMNS = (*CASE_FIELDS, "fastest", "device", "median_us", "tied", "next", "ahead", "ahead_low", "ahead_high", "doubt",
           "torch", "times_torch", "numpy", "times_numpy", "first_call_seconds", "calls_to_pay")  # fmt: skip


@lru_cache
def fastest(run: Run) -> pd.DataFrame:
    """A row for each timed case that two backends or more have a time of, in the order of the journal.

    - `fastest`: the backend with the least median, on `device`, `median_us` a call or a step;
    - `tied`: the other backends that cannot be told apart from it, separated by commas: the interval of the ratio holds
      1, or the difference is below what the machine itself may change by;
    - `next`: the fastest of the others; `ahead`: how many times as fast as it the fastest one is, with its interval;
      empty and nan where all are tied. `doubt` is empty where that is certain by the rules of bench.compare, else why
      it is not: loaded, few or weak;
    - `torch`, `numpy`: the fastest backend that uses torch, and the fastest that needs numpy alone; `times_torch` and
      `times_numpy` say how many times as fast as it the fastest is; empty and nan where none has a time;
    - `first_call_seconds`: the longest first call of the fastest backend in this kind of work, which compiles or loads;
    - `calls_to_pay`: the calls, or steps, after which it has taken less time than `numpy`, its first call included.
    """
    cases = _timed_cases(run)
    verdicts = _against_fastest(run, cases)
    rows = [_answer(run, key, backends, verdicts) for key, backends in cases.items() if len(backends) > 1]
    return pd.DataFrame(rows, columns=[*COLUMNS])


def _timed_cases(run: Run) -> dict[Key, list[Row]]:
    """The rows that have a time of each case, fastest first; of equally fast ones in the order of the backends."""
    found: dict[Key, list[Row]] = {}
    places = {name: place for place, name in enumerate(in_order(run))}
    works = named(timed=True, table="throughput")
    for (_, *case), row in rows_of(run).items():
        if row["status"] == Status.OK and row["seconds"] and row["work"] in works:
            found.setdefault(tuple(case), []).append(row)
    return {key: sorted(rows, key=lambda row: (median_seconds(row), places[row["backend"]]))
            for key, rows in found.items()}  # fmt: skip


def _against_fastest(run: Run, cases: dict[Key, list[Row]]) -> dict[tuple[Key, str], Row]:
    """The verdict on the fastest against each other backend; each kind of work, width, dtype and optimizer is a table.

    The tests are corrected for the length of that table, as in bench.compare.
    """
    tables: dict[tuple[Any, ...], list[Found]] = {}
    for first, *others in cases.values():
        table = tuple(first[name] for name in TABLE)
        pairs = [(first, other, compare_in_one_run(run, first, other)) for other in others]
        tables.setdefault(table, []).extend(pairs)
    judged = [row for found in tables.values() for row in table_of(found).to_dict("records")]
    return {(tuple(row[name] for name in CASE_FIELDS), row["b"]): row for row in judged}


def _answer(run: Run, key: Key, rows: list[Row], verdicts: dict[tuple[Key, str], Row]) -> list[Any]:
    """The values of COLUMNS for one case."""
    first, *others = rows
    against = {row["backend"]: verdicts[key, row["backend"]] for row in others}
    tied = [name for name, verdict in against.items() if _is_tied(verdict)]
    slower = [name for name in against if name not in tied]
    behind = against[slower[0]] if slower else {"times_faster": NAN, "low": NAN, "high": NAN, "kind": ""}
    seconds = {row["backend"]: median_seconds(row) for row in rows}
    numpy = next((name for name in seconds if name in NUMPY_ONLY), "")
    torch = next((name for name in seconds if name.startswith(TORCH)), "")
    name, cost = first["backend"], _first_call(run, first)
    return [
        *key, name, first["device"], seconds[name] * 1e6, ", ".join(tied),
        slower[0] if slower else "", behind["times_faster"], behind["low"], behind["high"], behind["kind"],
        torch, seconds.get(torch, NAN) / seconds[name],
        numpy, seconds.get(numpy, NAN) / seconds[name],
        cost, _calls_to_pay(cost, seconds[name], seconds.get(numpy, NAN)),
    ]  # fmt: skip


def _is_tied(verdict: Row) -> bool:
    """Whether the fastest backend cannot be told apart from the other one of this verdict.

    A loaded machine, or few rounds, do not make backends equal that are far apart: that is a doubt, and no tie.
    """
    if verdict["verdict"] == "FASTER":
        return False
    return bool(verdict["low"] <= 1 or verdict["times_faster"] - 1 <= max(verdict["least"], MARGIN))


def _first_call(run: Run, row: Row) -> float:
    """The longest first call of this backend and kind of work: only the first of a process compiles."""
    own = [other["first_call_seconds"] for (name, *_), other in rows_of(run).items()
           if name == row["backend"] and (other["work"], other["dtype"]) == (row["work"], row["dtype"])]  # fmt: skip
    return max((seconds for seconds in own if pd.notna(seconds)), default=NAN)


def _calls_to_pay(first_call: float, seconds: float, of_numpy: float) -> float:
    """Calls after which a first call that took so long is paid by calls that take less time than those of numpy."""
    if pd.isna(first_call) or not of_numpy > seconds:
        return NAN
    return ceil(max(0.0, first_call - seconds) / (of_numpy - seconds))


def nearest(answers: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """The rows whose sizes are nearest to those wanted: those of the nearest width, at the sizes around the batch.

    `wanted` may have work, optimizer, dtype, batch and hidden. A batch that was measured gives its row alone, another
    one the measured sizes below and above it. Distances are ratios. Empty where no case has that work or dtype.
    """
    for name in ("work", "optimizer", "dtype"):
        if name in wanted:
            answers = answers[answers[name] == wanted[name]]
    if answers.empty:
        return answers
    if "hidden" in wanted:
        apart = {hidden: max(hidden / wanted["hidden"], wanted["hidden"] / hidden) for hidden in answers.hidden}
        answers = answers[answers.hidden == min(apart, key=lambda hidden: apart[hidden])]
    if "batch" not in wanted:
        return answers
    sizes = sorted(set(answers.batch))
    below, above = ([n for n in sizes if n <= wanted["batch"]], [n for n in sizes if n >= wanted["batch"]])
    return answers[answers.batch.isin({*below[-1:], *above[:1]})]
