"""The answer in sentences: which backend is the fastest at each size, by how much, and whether that is certain.

    Fastest for Adam steps of 32: numba, 3.4 times as fast as jax-cpu (certain)

Only sizes that were measured are named; nothing is interpolated.
"""

import re
from typing import Any

import pandas as pd

from bench.analysis.fastest import COLUMNS, fastest, nearest
from bench.analysis.frames import Run, focus, matching, records
from bench.grid.case import RULES
from bench.grid.workloads import named
from bench.reporting.document import Words
from bench.reporting.number_format import digits, duration, times, whole
from bench.reporting.tables.crossovers import cpu_gpu_in_words
from bench.reporting.tables.spec import Column, TableSpec, flat
from bench.reporting.tables.summary import main_columns
from relufit.errors import RelufitError
from relufit.network.params import DTYPES
from relufit.network.precision import PRECISIONS

CALLS = {  # kinds of work in the plural
    "forward": "forward passes", "gradient": "gradients", "step": "steps", "latency": "forward passes, host to host,",
    "to_device": "transfers to the device", "to_host": "transfers to the host",
}  # fmt: skip
DOUBTS = {"loaded": "one was measured under load", "few": "too few rounds", "weak": "too few passes"}
HINGE = "Names that end in -hinge: exact gradients by a faster algorithm, for networks of one input only (D = 1)."
LATENCY = ("latency", 1, "")  # that the answer names beside the columns of the main table
ANSWER_NOTE = Words("""The fastest backend of each case; joined by "or" where a difference is below what can be told
apart. `paid after`: the calls, or steps, after which its first call, which compiles or loads, has paid for itself
against the fastest backend that needs numpy alone.""")
PAID_BY = ("gradient", "step")  # kinds of work of which a training makes thousands of calls
COMPILES_SECONDS = 0.01  # a first call that takes as long compiles or loads something

Row = dict[str, Any]


def answer(run: Run) -> list[str]:
    """The sentences that open the terminal, results/README.md and the page.

    What hinge is, one for each column of the main table, what first calls cost, and whether a GPU was measured. A case
    needs two backends with a time.
    """
    hidden, dtype = focus(run)
    rows = matching(fastest(run), hidden=hidden, dtype=dtype)
    wanted = [*((work, column.batch, column.optimizer) for work, column in main_columns(run)), LATENCY]
    found = {(row["work"], row["batch"], row["optimizer"]): row for row in records(rows)}
    shown = [found[key] for key in wanted if key in found]
    return [*_hinge(shown), *map(in_words, shown), *_first_calls(shown), cpu_gpu_in_words(run)]


def in_words(row: Row) -> str:
    """One row of `fastest` as a sentence."""
    names = _names(row)
    first = names + (" (not told apart)" if row["tied"] else "")
    parts = [first, *filter(None, [_ahead(row)])]
    named = {*names.split(" or "), row["next"]}
    for kind, best in (("torch", "the best of torch"), ("numpy", "numpy alone")):
        if row[kind] not in named and pd.notna(row[f"times_{kind}"]):
            parts.append(f"{digits(row[f'times_{kind}'])} times as fast as {best} ({row[kind]})")
    return f"Fastest for {calls_in_words(row)}: {', '.join(parts)}."


def _names(row: Row) -> str:
    return " or ".join([row["fastest"], *filter(None, row["tied"].split(", "))])


def _ahead(row: Row) -> str:
    """How many times as fast as the next one, and whether that is certain; empty where all are tied."""
    if not row["next"]:
        return ""
    certain = f"not certain: {DOUBTS.get(row['doubt'], row['doubt'])}" if row["doubt"] else "certain"
    factor = digits(row["ahead"], (row["ahead_high"] - row["ahead_low"]) / 2)
    return f"{factor} times as fast as {row['next']} ({certain})"


def calls_in_words(row: Row) -> str:
    """What is timed, in the plural, and its N: "Adam steps of 32"."""
    rule = f"{type(RULES[row['optimizer']]).__name__} " if row["optimizer"] in RULES else ""
    return f"{rule}{CALLS.get(row['work'], row['work'])} of {whole(row['batch'])}"


def _hinge(rows: list[Row]) -> list[str]:
    """That some of the backends named are for one input only; a line at most."""
    named = [name for row in rows for name in (*_names(row).split(" or "), row["next"], row["numpy"])]
    return [HINGE] if any(name.endswith("-hinge") for name in named) else []


def _first_calls(rows: list[Row]) -> list[str]:
    """What the first calls of the fastest backends cost, and after how many calls that is paid; one line at most."""
    found = dict[tuple[str, str], str]()
    for row in (row for row in rows if row["work"] in PAID_BY):
        if row["first_call_seconds"] >= COMPILES_SECONDS and pd.notna(row["calls_to_pay"]):
            cost = f"{row['fastest']} {duration(row['first_call_seconds'])}"
            paid = f"paid after {whole(row['calls_to_pay'])} {calls_in_words(row)} against {row['numpy']}"
            found.setdefault((row["fastest"], row["work"]), f"{cost}, {paid}")
    return [f"A first call compiles or loads: {'; '.join(found.values())}."] if found else []


def advise(run: Run, question: str) -> list[str]:
    """The answer to a question such as "N=5000, H=256, step": what the run says of the nearest sizes it measured.

    Raises RelufitError for a question that cannot be read.
    """
    hidden, dtype = focus(run)
    wanted = {"work": "gradient", "hidden": hidden, "dtype": dtype, **_read(question)}
    rows = nearest(fastest(run), **wanted)
    if rows.empty:
        rule = f" with {wanted['optimizer']}" if "optimizer" in wanted else ""
        return [f"This run has timed no {wanted['work']}{rule} in {wanted['dtype']} with two backends."]
    sizes = {name: {wanted[name]} for name in ("hidden", "batch") if name in wanted}
    is_exact = all(set(rows[name]) == value for name, value in sizes.items())
    found = [f"H = {row['hidden']}, {row['dtype']}. {in_words(row)}" for row in records(rows)]
    return found if is_exact else ["These sizes were not measured. The nearest that were:", *found]


def command(question: str) -> str:
    """The command that measures exactly what a question asks. Raises RelufitError as `advise` does."""
    wanted = _read(question)
    options = [f"--{name} {wanted[name]}" for name in ("batch", "hidden", "dtype") if name in wanted]
    test = f"bench/test_throughput.py::test_{wanted.get('work', 'gradient')}"
    return " ".join(["pytest", test, "--benchmark-only", *options])


def _read(question: str) -> dict[str, Any]:
    """The fields of a case that a question names."""
    works, found = named(timed=True, table="throughput"), dict[str, Any]()
    for part in filter(None, re.split(r"[,;\s]+", question.strip())):
        name, _, value = part.partition("=")
        if name.upper() in ("N", "H") and value.isdecimal() and int(value) > 0:
            found["batch" if name.upper() == "N" else "hidden"] = int(value)
        elif part.lower() in works:
            found["work"] = part.lower()
        elif part.lower() in RULES:
            found |= {"optimizer": part.lower(), "work": "step"}
        elif part.lower() in (*DTYPES, *PRECISIONS):
            found["dtype"] = part.lower()
        else:
            known = ", ".join((*works, *RULES, *DTYPES, *PRECISIONS))
            raise RelufitError(f"--advise: {part!r} is not known; give N=5000, H=256 and some of {known}")
    return found


ANSWER = TableSpec(
    "answer",
    fastest,
    columns=(
        Column("batch", "N", whole),
        Column("fastest", "fastest", cell=_names),
        Column("median_us", "a call", lambda microseconds: duration(microseconds / 1e6)),
        Column("ahead", "times as fast as the next", cell=_ahead),
        Column("times_torch", "as the fastest of torch", times),
        Column("times_numpy", "as numpy alone", times),
        Column("first_call_seconds", "first call", duration),
        Column("calls_to_pay", "paid after", whole),
    ),
    lay_out=lambda run, rows, columns: [flat(rows.sort_values("batch", kind="stable"), columns)],
    keys="work optimizer dtype hidden",
    heading="{work} {optimizer}; H = {hidden}, {dtype}",
    csv=" ".join(COLUMNS),
    note=ANSWER_NOTE,
    split="work",
)
