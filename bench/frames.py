"""From raw journals to tidy frames: the only reader of results/raw.

A line that cannot be used (truncated, foreign, of wrong types) is skipped with a complaint that names file and line,
and the rest of the file counts. Backends that could not run stand in the frame with their reason.
"""

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from bench import passes, question
from bench.cases import Case
from bench.question import Question
from relufit.errors import RelufitError
from relufit.params import DTYPES

CASE_FIELDS = [f.name for f in fields(Case)]
REQUIRED: dict[str, Any] = {"backend": str, "status": str, **{f.name: f.type for f in fields(Case)}}
USUAL = {f.name: f.default for f in fields(Case) if f.default is not MISSING}  # what a line may leave out
NUMBER_LISTS = ("seconds", "device_seconds", "step", "train_seconds", "loss", "test_mse", "curve", "distance", "flips")
NUMBERS = (
    "iterations", "steps", "minor_faults_per_call", "peak_bytes", "load_average", "build_seconds", "first_call_seconds",
    "kernels_per_step", "read_back_seconds", "watched_seconds", "cores_used", "cores_of_others", "cores_stolen",
    "throttled_share", "subnormals", "pairs",
)  # fmt: skip
GPU_NUMBERS = ("watts", "sm_mhz", "memory_mhz", "celsius", "processes")
ROOFS = (
    "copy_bytes_per_second",
    *(
        f"{kind}_per_second_{dtype}"
        for kind in ("multiply_adds", "forward_instructions", "gradient_instructions")
        for dtype in DTYPES
    ),
)
DEVICE_ROOFS = ("launch_seconds", "graph_node_seconds", "cache_bytes", "processors")
TEXTS = ("device", "algorithm", "order", "reason", "method")

AA = "aa"  # the profile of a run of backends against themselves
Complain = Callable[[str], None]


@dataclass(frozen=True, eq=False)  # one run is itself alone, so that what is computed of it can be kept
class Run:
    """One journal: its first line and a frame with one row for each case and backend."""

    path: Path
    header: dict[str, Any]
    cases: pd.DataFrame
    aa: "Run | None" = None  # the newest run of the profile `aa` on the same machine: what can be told apart

    @property
    def profile(self) -> str:
        """Which cases it went over."""
        return str(self.header["settings"].get("profile"))

    @property
    def name(self) -> str:
        """The run's identifier, which begins with its date."""
        return name_of(self.path)

    @property
    def machine(self) -> str:
        """The hardware, in words."""
        machine = self.header["machine"]
        gpus = [str(gpu.get("name")) for gpu in machine["gpus"]]
        return ", ".join([*gpus, str(machine.get("cpu", self.path.parent.name)), f"{machine.get('cores', '?')} cores"])

    @property
    def threads(self) -> str:
        """The thread setting, in words."""
        asked = self.header["settings"].get("threads")
        return "threads as installed" if asked is None else f"{asked} thread" + ("s" if asked != 1 else "")

    @property
    def allocations(self) -> str:
        """Whether the C library keeps large blocks that were freed, in words: MALLOC_* variables make it do so.

        As installed it returns them to the system, and every large array pays for its page faults again.
        """
        variables = _mapping(self.header["settings"], "environment")
        kept = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"} <= set(variables)
        return "allocations kept" if kept else "allocations as installed"

    @property
    def setting(self) -> str:
        """Under which settings of the process it was measured, in words."""
        return f"{self.threads}, {self.allocations}"

    @property
    def question(self) -> Question | None:
        """What a run of bench.crossover was asked; None of other runs."""
        return question.read(self.header["settings"].get("crossover"))

    @property
    def slug(self) -> str:
        """Machine and setting as part of a file's name; the headline profile and each crossover are kinds of runs."""
        asked = self.header["settings"].get("threads")
        return "".join(
            [
                self.path.parent.name,
                "-headline" if self.profile == "headline" else "",
                "" if self.question is None else f"-{self.question.slug()}",
                "" if asked is None else f"-threads-{asked}",
                "-kept" if self.allocations == "allocations kept" else "",
            ]
        )


def runs(results: Path, names: list[str] | None = None, complain: Complain = lambda text: None) -> list[Run]:
    """The runs of these names or files; without names, the newest of each machine and setting (`Run.slug`).

    A/A runs stand behind the others of their machine (`Run.aa`) and are given by name only.
    Raises RelufitError where there is none, or a name is unknown.
    """
    found = {name_of(path): path for path in sorted((results / "raw").glob("*/*.jsonl*"))}
    for name in names or []:
        if name not in found and not Path(name).is_file():
            raise RelufitError(
                f"there is no run {name!r} under {results / 'raw'}; there are {', '.join(found) or 'none'}"
            )
    chosen = [found.get(name, Path(name)) for name in names] if names else sorted(found.values(), key=lambda p: p.stem)
    loaded = [run for run in (read(path, complain) for path in chosen) if not run.cases.empty]
    loaded = [run for run in loaded if names or run.profile != AA]
    if not loaded:
        raise RelufitError(
            f"there are no finished cases under {results / 'raw'}; run pytest bench --benchmark-only first"
        )
    newest = {run.path if names else run.slug: run for run in loaded}
    found_aa = {folder: newest_aa(folder) for folder in {run.path.parent for run in newest.values()}}
    with_aa = (run if run.profile == AA else replace(run, aa=found_aa[run.path.parent]) for run in newest.values())
    return sorted(with_aa, key=lambda run: (run.slug, run.name))


def newest_aa(folder: Path) -> Run | None:
    """The newest A/A run in a machine's folder; it resolves itself. None where there is none."""
    paths = sorted(folder.glob("*.jsonl*"), key=lambda path: path.stem, reverse=True)
    found = (run for run in map(read, paths) if run.profile == AA and not run.cases.empty)
    newest = next(found, None)
    return None if newest is None else replace(newest, aa=newest)


def name_of(path: Path) -> str:
    """The run of a journal: RUN.jsonl, or RUN.jsonl.gz, as a long one that is finished may be packed."""
    return path.name.partition(".")[0]


def read(path: Path, complain: Complain = lambda text: None) -> Run:
    """Read one journal. Raises RelufitError where the file cannot be read at all."""
    header, lines = read_lines(path, complain)
    cases = pd.DataFrame(passes.merge(lines, [*CASE_FIELDS, "backend"]))
    return Run(path, header, _with_absent(cases, header) if lines else cases)


def read_lines(path: Path, complain: Complain = lambda text: None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header of a journal, with every part that is read later, and its cases, a line for each pass."""
    try:
        content = path.read_bytes()
        lines = (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
    except (OSError, EOFError, zlib.error) as error:  # the file's, or of what was packed
        raise RelufitError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    header: dict[str, Any] = {}
    cases, joined = [], {}
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
            kind = value.get("kind") if isinstance(value, dict) else None
            if kind == "run":
                header = value
            elif kind == "backend":  # that came to the run later
                joined[str(value["backend"])] = value
            else:
                cases.append(_case(value))
        except (
            ValueError,
            TypeError,
            KeyError,
            OverflowError,
            RecursionError,
        ) as error:  # not JSON, not text, or not one of our lines
            complain(f"{path}:{number}: skipped: {(str(error).splitlines() or [''])[0][:120]}")
    if not header:
        complain(f"{path}: no line describes the run; its machine is taken from the folder's name")
    return _normal({**header, "backends": {**joined, **_mapping(header, "backends")}}), cases


def _case(value: Any) -> dict[str, Any]:
    """The fields of one case, each of its type. Raises ValueError saying what is wrong."""
    if not isinstance(value, dict) or value.get("kind") != "case":
        raise ValueError("not a line of this journal")
    value = {**USUAL, **value}
    for name, kind in REQUIRED.items():
        if not isinstance(value.get(name), kind) or isinstance(value.get(name), bool):
            raise ValueError(f"{name} is {value.get(name)!r:.40}, not {kind.__name__}")
    case = {name: value[name] for name in REQUIRED}
    case["pass"] = value.get("pass", 0)
    if not isinstance(case["pass"], int) or isinstance(case["pass"], bool) or case["pass"] < 0:
        raise ValueError(f"pass is {case['pass']!r:.40}, not a number of one")
    for name in TEXTS:
        case[name] = None if value.get(name) is None else str(value[name])
    for name in NUMBERS:
        case[name] = float("nan") if value.get(name) is None else float(value[name])
    for name in NUMBER_LISTS:
        case[name] = None if value.get(name) is None else [float(item) for item in value[name]]
    case["agreement"] = _checks(value.get("agreement"))
    state = _mapping(value, "gpu")
    for name in GPU_NUMBERS:
        case[f"gpu_{name}"] = _number(state.get(name))
    case["gpu_throttled"] = str(state.get("throttled") or "")
    _check_values(case)
    return case


def _check_values(case: dict[str, Any]) -> None:
    """Raise ValueError for numbers that no run can have written."""
    if not all(1 <= case[name] < 2**53 for name in ("batch", "hidden", "inputs", "outputs")):
        raise ValueError("a size is out of range")
    if case["seconds"] is not None and not (case["seconds"] and all(0 < s < float("inf") for s in case["seconds"])):
        raise ValueError("a finished case needs rounds of positive seconds")
    if case["steps"] < 1:
        raise ValueError(f"a call of {case['steps']} steps")
    if case["work"] == "convergence" and case["status"] in ("OK", "DIVERGED"):
        curves = [case[name] for name in ("step", "train_seconds", "test_mse")]
        if not (all(curves) and len({len(curve) for curve in curves}) == 1 and case["curve"]):
            raise ValueError("the curves of a training run are missing or differ in length")
    if case["work"] == "trajectory" and case["status"] in ("OK", "DIVERGED"):
        _check_free_run(case)


def _check_free_run(case: dict[str, Any]) -> None:
    """The same of what a free run was seen to do epoch by epoch; of an order of its own there is none."""
    series = [case[name] for name in ("step", "distance", "flips")]
    if case["order"] == "own" and series == [None] * 3:
        return
    if None in series or len({len(values) for values in series}) != 1 or (case["status"] == "OK" and not series[0]):
        raise ValueError("the distances of a free run are missing or differ in length")
    if not (all(d >= 0 for d in case["distance"]) and all(0 <= count <= case["pairs"] for count in case["flips"])):
        raise ValueError("a distance below 0, or more signs that differ than there are")


def _checks(value: Any) -> dict[str, dict[str, float]]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(check, dict) for check in value.values()):
        raise ValueError("agreement is not a table of checks")
    return {str(name): {key: float(check[key]) for key in ("error", "bound", "share")} for name, check in value.items()
            if {"error", "bound", "share"} <= set(check)}  # fmt: skip


def _normal(header: dict[str, Any]) -> dict[str, Any]:
    """The header with every part that is read later present and of its type, whatever the file held."""
    parts: dict[str, Any] = {
        name: _mapping(header, name) for name in ("machine", "code", "settings", "threads_in_force", "backends")
    }
    parts["machine"] = {**parts["machine"], "packages": _mapping(parts["machine"], "packages")}
    parts["timer_seconds"] = _number(header.get("timer_seconds"))
    parts["ceilings"] = _ceilings(_mapping(header, "ceilings"))
    device = _mapping(header, "device_ceilings")
    parts["device_ceilings"] = {name: _number(device.get(name)) for name in (*ROOFS, *DEVICE_ROOFS)}
    gpus = parts["machine"].get("gpus")
    parts["machine"]["gpus"] = [gpu for gpu in gpus if isinstance(gpu, dict)] if isinstance(gpus, list) else []
    parts["backends"] = {
        str(name): {"reason": reason if isinstance(reason := state.get("reason"), str) else None,
                    "facts": _mapping(state, "facts")}
        for name, state in parts["backends"].items() if isinstance(state, dict)
    }  # fmt: skip
    return parts


def _ceilings(found: dict[str, Any]) -> dict[str, Any]:
    """The ceilings with every rate a number, nan where it was not measured: journals before them have none."""
    one, every = (
        {name: _number(_mapping(found, cores).get(name)) for name in ROOFS} for cores in ("one_core", "all_cores")
    )
    numbers = {name: _number(found.get(name)) for name in ("cores", "independent_loops_scaling", "cache_bytes")}
    reason = found.get("reason")
    return {"one_core": one, "all_cores": every, **numbers, "reason": reason if isinstance(reason, str) else None}


def _number(value: Any) -> float:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")
    return float(value) if usable else float("nan")


def _with_absent(frame: pd.DataFrame, header: dict[str, Any]) -> pd.DataFrame:
    """Add a row for each case and each backend that could not run here, with the reason."""
    absent = {name: state["reason"] for name, state in header["backends"].items() if state["reason"] is not None}
    known = frame[CASE_FIELDS].drop_duplicates()
    rows = [known.assign(backend=name, status="SKIPPED", reason=reason) for name, reason in absent.items()]
    return pd.concat([frame, *rows], ignore_index=True) if rows else frame


def _mapping(header: dict[str, Any], name: str) -> dict[str, Any]:
    value = header.get(name)
    return value if isinstance(value, dict) else {}
