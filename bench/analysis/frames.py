"""Journals as runs: a header and a frame of cases each, and facts of their backends.

Backends that could not run stand in the frame with their reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis import warnings
from bench.grid import sweep as sweeps
from bench.grid.sweep import Sweep
from bench.grid.workloads import WORKLOADS
from bench.hardware import identity
from bench.journal.reader import Complain, read_rows
from bench.journal.schema import CASE_FIELDS
from relufit.network.precision import PRECISIONS

AA = "aa"  # the profile of a run of backends against themselves
KINDS = ("headline", "solvers")  # profiles whose newest run stands beside that of the others
REDUCED = "reduced"  # the table of products in reduced precision, whatever the kind of work
SHOWN_IN = (*dict.fromkeys(kind.table for kind in WORKLOADS.values()), REDUCED)  # tables that choose their run

Header = dict[str, Any]  # the first line of a journal


@dataclass(frozen=True, eq=False)  # a run equals itself alone, so that `lru_cache` can keep what is computed of it
class Run:
    """One journal: its first line and a frame with one row for each case and backend."""

    path: Path
    header: Header
    cases: pd.DataFrame
    others: "tuple[Run, ...]" = ()  # of the same machine, setting, sources and versions: what else a case has taken
    baseline: str = ""  # the backend that ratios and verdicts are to, where somebody asked for one
    aa: "Run | None" = None  # the newest run of the profile `aa` on the same machine, which says what can be told apart
    tables: frozenset[str] | None = None  # of SHOWN_IN, that it is shown in; None: in all, as it was named

    @property
    def profile(self) -> str:
        """Which cases it went over."""
        return str(self.header["settings"]["profile"])

    @property
    def kind(self) -> str:
        """The profile, where its runs are a kind of their own."""
        return self.profile if self.profile in KINDS else ""

    @property
    def name(self) -> str:
        """The run's identifier, which begins with its date."""
        return name_of(self.path)

    @property
    def machine(self) -> str:
        """The hardware, in words."""
        return identity.in_words(self.header["machine"], self.path.parent.name)

    @property
    def machine_slug(self) -> str:
        """The machine's name: what the first line says of it, wherever the file lies (bench/hardware/identity.py)."""
        return identity.slug(self.header["machine"], self.path.parent.name)

    @property
    def threads(self) -> str:
        """The thread setting, in words: what --threads asked for, or the variables that limit threads."""
        if asked := self.header["settings"]["threads"]:
            return f"{asked} thread" + ("s" if asked != 1 else "")
        return ", ".join(self._variables(identity.THREAD_VARIABLES)) or "threads as installed"

    @property
    def kernels(self) -> list[str]:
        """The variables that made a library choose its kernels, as NAME=value."""
        return self._variables(identity.KERNEL_VARIABLES)

    def _variables(self, names: Sequence[str]) -> list[str]:
        found = self.header["settings"]["environment"]
        return [f"{name}={found[name]}" for name in names if name in found]

    @property
    def allocations(self) -> str:
        """Whether the C library keeps large blocks that were freed, in words: MALLOC_* variables make it do so.

        As installed it returns them to the system, and every large array pays for its page faults again.
        """
        variables = self.header["settings"]["environment"]
        kept = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"} <= set(variables)
        return "allocations kept" if kept else "allocations as installed"

    @property
    def title(self) -> str:
        """Machine, threads and what made libraries choose other kernels, in words: for titles."""
        return ", ".join([self.machine, self.threads, *self.kernels])

    @property
    def setting(self) -> str:
        """Under which settings of the process it was measured, in words."""
        return ", ".join([self.threads, self.allocations, *self.kernels])

    def shows(self, table: str) -> bool:
        """Whether a table of SHOWN_IN shows this run."""
        return self.tables is None or table in self.tables

    @property
    def sweep(self) -> Sweep | None:
        """What a run of bench.crossover searched for; None of other runs."""
        return sweeps.read(self.header["settings"]["crossover"])

    @property
    def slug(self) -> str:
        """Machine and setting as part of a file's name; the profiles of KINDS and each crossover are kinds of runs."""
        asked = self.header["settings"]["threads"]
        sweep = self.sweep.slug() if self.sweep else ""
        threads = f"threads-{asked}" if asked else ""
        allocations = "kept" if self.allocations == "allocations kept" else ""
        variables = [*([] if asked else self._variables(identity.THREAD_VARIABLES)), *self.kernels]
        environment = f"environment-{identity.digest(variables)}" if variables else ""
        return "-".join([self.machine_slug, *filter(None, (self.kind, sweep, threads, allocations, environment))])


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """The backend and the case of a row, which no other row of its run has."""
    return (row["backend"], *(row[name] for name in CASE_FIELDS))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as `frame.to_dict("records")` gives them, which takes many times as long for the 70 columns of a run."""
    names = frame.columns.tolist()
    return [dict(zip(names, values, strict=True)) for values in frame.to_numpy(object).tolist()]


def name_of(path: Path) -> str:
    """The run of a journal: RUN.jsonl, or RUN.jsonl.gz, as a long one that is finished may be packed."""
    return path.name.partition(".")[0]


def read(path: Path, complain: Complain = lambda text: None) -> Run:
    """Read one journal; rows whose time is not what it claims to be are UNSOUND from here on.

    Raises RelufitError where the file cannot be read at all.
    """
    header, rows = read_rows(path, complain)
    return Run(path, header, pd.DataFrame([warnings.judged(header, row) for row in rows]))


@lru_cache
def in_order(run: Run) -> list[str]:
    """Every backend of the run: first those that could run, in the order of the journal's first line."""
    names = dict.fromkeys([*run.header["backends"], *run.cases.backend])
    return sorted(names, key=lambda name: absence(run, name) is not None)


def sorted_by_backend(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows in the order of `in_order`, otherwise as they were."""
    if frame.empty:
        return frame
    places = {name: place for place, name in enumerate(in_order(run))}
    return frame.sort_values("backend", key=lambda names: names.map(places), kind="stable")


def absence(run: Run, backend: str) -> str | None:
    """Why a backend could not run on this machine; None where it could."""
    reason = run.header["backends"].get(backend, {}).get("reason")
    return str(reason) if reason else None


@lru_cache
def focus(run: Run) -> tuple[int, str]:
    """The width and dtype that the main table and the figures show: 512 and float32, or the most frequent ones.

    Reduced precision has a table of its own, so its dtypes come in where a run has no others.
    """
    full = run.cases[~run.cases.dtype.isin(PRECISIONS)]
    counts = (run.cases if full.empty else full).groupby(["hidden", "dtype"]).size()
    hidden, dtype = (512, "float32") if (512, "float32") in counts.index else counts.idxmax()
    return int(hidden), str(dtype)


def worst_share(checks: dict[str, dict[str, float]]) -> float:
    """The largest error of the quantities of a case, as a share of its bound; nan where nothing was compared."""
    return max((check["share"] for check in checks.values()), default=np.nan)


def matching(frame: pd.DataFrame, **fields: object) -> pd.DataFrame:
    """The rows that have these values; a frame without rows, which may lack the columns, as it is."""
    conditions = [frame[name] == value for name, value in fields.items() if len(frame)]
    return frame[np.logical_and.reduce(conditions)] if conditions else frame
