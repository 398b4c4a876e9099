"""The provenance under every table, and the notes beside its rows.

What most rows share is said once, under the table. A row that differs carries a letter that says in what, so that
nobody takes a difference of threads, order or algorithm for one of libraries. A note says of a backend why cells have
no time, and how far to trust the times of the others.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import chain, count
from string import ascii_lowercase
from typing import Any

import pandas as pd

from bench.analysis import roofline, warnings
from bench.analysis.frames import Run, absence, in_order, records
from bench.grid.cost import is_hinge
from bench.grid.workloads import WORKLOADS
from bench.journal import plan
from bench.journal.schema import USUAL
from bench.journal.status import Status
from bench.reporting.document import Document
from bench.reporting.number_format import LOADED, duration, power
from relufit.network.precision import PRECISIONS

# Inside the clock of tables that show several kinds of work.
ROUNDS = (
    "K calls and one synchronization, over K; data and weights are on the device, except in latency and transfer, "
    "which read the clock around each call or move the data"
)
# Fields of rows and facts of backends in which rows may differ, and their names for readers.
TRAITS = {"device": "device", "threads": "threads", "blas": "BLAS", "tf32": "TF32", "order": "order of samples",
          "algorithm": "algorithm"}  # fmt: skip
COMPILED_SECONDS, COMPILED_TIMES = 0.1, 20  # a first call above both limits compiled or allocated something
LAUNCH_BOUND = 0.5  # share of the wall time from which on it is noted
LOSSY = 1e-5  # relative error of the gradient that is noted: float32 has lost a third of its digits

Row = dict[str, Any]


def clock_of(table: str) -> str:
    """What is inside the clock of a table."""
    own = {kind.clock for kind in WORKLOADS.values() if kind.table == table}
    return own.pop() if len(own) == 1 else ROUNDS


def provenance(run: Run, table: str = "summary") -> Document:
    """A paragraph on the run that a table was made from, and one on the differences of its rows.

    Where the run ended before all was measured that it was to measure, a paragraph before them says so.
    """
    machine, code, settings = (run.header[key] for key in ("machine", "code", "settings"))
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    forced = ", ".join(f"{name} {number}" for name, number in run.header["threads_in_force"].items())
    variables = ", ".join(f"{name}={value}" for name, value in settings["environment"].items())
    kernels = ", ".join(f"{name} {kernel}" for name, kernel in run.header["kernels_in_force"].items())
    commit = (code["commit"] or "no commit")[:12] + (", with uncommitted changes" if code["dirty"] else "")
    clock = "" if table == "backends" else clock_of(table)
    text = (
        f"Run {run.name}, profile {run.profile}, commit {commit} (sources {code['content_hash']}). "
        f"{machine['system']}, {machine['python']}; {packages}. Threads in force: {forced}. "
        f"{kernels and f'Kernels in force: {kernels}. '}"
        f"Environment: {variables or 'no variable that changes a speed'}. "
        + (f"Inside the clock: {clock}. " if clock else "")
        + f"Load average while it ran: {run.cases.load_average.median():.2g}, "
        f"at most {run.cases.load_average.max():.2g}.{_clock_rates(run)}{roofs_in_words(run)}"
    )
    ended_early = plan.in_words(run.header)
    resumed = [f"Resumed under other conditions: {what}." for what in run.header["resumed"]]
    warned = [f"{what}." for what in run.header["warnings"]]
    return [*([f"{ended_early}."] if ended_early else []), *resumed, *warned, text, differences(run)]


@lru_cache
def traits(run: Run) -> dict[str, dict[str, str]]:
    """What the rows of each backend that ran can differ in from others, as far as it is in the journal."""
    cases = run.cases[run.cases.algorithm != ""].groupby("backend")
    rows = cases[["device", "order", "algorithm"]].agg(_values).to_dict("index")
    found = {}
    for name in (name for name in in_order(run) if absence(run, name) is None):
        known = {**run.header["backends"].get(name, {}).get("facts", {}), **rows.get(name, {})}
        found[name] = {title: str(known[field]) for field, title in TRAITS.items() if known.get(field)}
    return found


def _values(column: pd.Series) -> str:
    return " / ".join(dict.fromkeys(filter(None, column)))


def marks(run: Run) -> dict[str, str]:
    """The letters of each backend that differs from what most rows share."""
    letters = _letters(run)
    own = {name: [letters[trait] for trait in found.items() if trait in letters] for name, found in traits(run).items()}
    return {name: ",".join(sorted(found)) for name, found in own.items()}


def differences(run: Run) -> str:
    """What most rows share, and what each letter stands for."""
    shared = "; ".join(f"{name} {value}" for name, value in _shared(run).items())
    marked = " ".join(f"({letter}) {name} {value}." for (name, value), letter in _letters(run).items())
    return f"Rows without a letter: {shared or 'nothing is known'}. {marked}".strip()


def _shared(run: Run) -> dict[str, str]:
    """The most frequent value of each trait; of equally frequent ones the first in the order of the rows."""
    every = traits(run).values()
    names = dict.fromkeys(chain.from_iterable(every))
    return {name: Counter(own[name] for own in every if name in own).most_common(1)[0][0] for name in names}


def _letters(run: Run) -> dict[tuple[str, str | None], str]:
    """A letter for each trait that some rows have and most do not, in the order of the traits and rows."""
    shared = _shared(run)
    pairs = [(name, own.get(name)) for name in shared for own in traits(run).values()]
    other = dict.fromkeys((name, value) for name, value in pairs if value not in (None, shared[name]))
    return dict(zip(other, _names(), strict=False))


def _names() -> chain[str]:
    """From a to z, then a1, b1 and so on."""
    return chain(ascii_lowercase, (f"{letter}{number}" for number in count(1) for letter in ascii_lowercase))


def _clock_rates(run: Run) -> str:
    """The clock of the GPU while rows were measured; CPUs of virtual machines do not tell theirs."""
    rates = run.cases.gpu_sm_mhz.dropna()
    return f" GPU clock {rates.min():.0f} to {rates.max():.0f} MHz." if len(rates) else ""


# Each rate that the provenance gives, after a unit's prefix.
RATES = {
    "copy_bytes_per_second": "copy {:.3g} {}B/s",
    "multiply_adds_per_second_float32": "{:.3g} {} multiply-adds/s",
    "gradient_instructions_per_second_float32": "{:.3g} {} lane instructions/s of the gradient's mix",
    **{f"products_per_second_{name}": f"{{:.3g}} {{}} multiply-adds/s of products in {name}" for name in PRECISIONS},
}


def _rates_in_words(found: dict[str, float], unit: float, prefix: str) -> str:
    known = [(text, found[name]) for name, text in RATES.items() if pd.notna(found[name])]
    return ", ".join(text.format(rate / unit, prefix) for text, rate in known)


def roofs_in_words(run: Run) -> str:
    """The measured ceilings with their units; empty where the journal has none."""
    ceilings = run.header["ceilings"]
    cores = {"one core": ceilings["one_core"]}
    if ceilings["cores"] > 1:
        cores[f"{ceilings['cores']:g} cores"] = roofline.all_cores(ceilings)
    known = {title: found for title, found in cores.items() if pd.notna(found["copy_bytes_per_second"])}
    if not known:
        return ""
    parts = [f"{title}: {_rates_in_words(found, 1e9, 'G')}" for title, found in known.items()]
    scaling = ceilings["independent_loops_scaling"]
    parts += [f"independent loops gain {scaling:.2f} times from all cores"] if pd.notna(scaling) else []
    parts += [f"not all measured: {ceilings['reason']}"] if ceilings["reason"] else []
    return f" Ceilings in float32, {'; '.join(parts)}.{device_roofs_in_words(run)}"


def device_roofs_in_words(run: Run) -> str:
    """The same of a CUDA device, and what its cache means for the rows."""
    found = run.header["device_ceilings"]
    if pd.isna(found["copy_bytes_per_second"]):
        return ""
    return (
        f" Device: {_rates_in_words(found, 1e12, 'T')}; an empty launch takes "
        f"{found['launch_seconds'] * 1e6:.2g} us, a node of a graph "
        f"{found['graph_node_seconds'] * 1e6:.2g} us. Timed calls go round the same samples: up to "
        f"{found['cache_bytes'] / 2**20:.0f} MiB they come from its L2 cache."
    )


def note(rows: list[Row]) -> str:
    """The note on the rows of one backend in one table."""
    reasons = [row["reason"] for row in rows if row["status"] != Status.OK and row["reason"]]
    parts = [*dict.fromkeys(reasons), *_hinge([row for row in rows if row["algorithm"]])]
    for row in _largest(rows, "gradient_error", lambda row: row["gradient_error"] > LOSSY):
        parts.append(f"gradient off by {row['gradient_error']:.0e} at N = {power(row['samples'])}")
    for row in _largest(rows, "launch_bound_share", lambda row: row["launch_bound_share"] > LAUNCH_BOUND):
        waits = f"the device waits {100 * row['launch_bound_share']:.0f} % of the time"
        parts.append(f"launch-bound: {waits} at N = {power(row['samples'])}")
    kernels = [row["kernels_per_step"] for row in rows if pd.notna(row["kernels_per_step"])]
    parts += [f"{count:g} kernels a step" for count in kernels[:1]]
    for row in _largest(rows, "first_call_seconds", _has_compiled):
        parts.append(f"first call {duration(row['first_call_seconds'])}")
    return "; ".join([*parts, *_unsound(rows)])


def legend(rows: pd.DataFrame) -> Document:
    """A line on the times with a mark, and one on what to do about the warnings; neither where there is no need."""
    timed = records(rows[rows.status == Status.OK]) if len(rows) else []
    found = [(word, row["work"]) for row in timed for word in warnings.words(row["unsound"])]
    advice = dict.fromkeys(f"{word}: {warnings.remedy(word, work)}" for word, work in found)
    return [*loads_in_words(timed), *([f"What to do about the warnings: {'; '.join(advice)}."] if advice else [])]


def loads_in_words(rows: Iterable[Row]) -> list[str]:
    """A line on the times with a mark: what was running; none where there is no mark."""
    loads = [row for row in rows if row["under_load"]]
    found = dict.fromkeys(f"{row['backend']}, {case_in_words(row)}: {row['under_load']}" for row in loads)
    return [f"{LOADED} Measured under load: {'; '.join(found)}."] if found else []


def case_in_words(row: Row) -> str:
    """A case: only what differs from the usual one."""
    letters = {"hidden": "H = ", "dtype": "", "inputs": "D = ", "outputs": "O = ", "networks": "networks "}
    unusual = [f", {letter}{row[name]}" for name, letter in letters.items() if row[name] != USUAL[name]]
    return f"{row['work']}{row['optimizer'] and ' ' + row['optimizer']} N = {row['batch']}{''.join(unusual)}"


def _hinge(rows: list[Row]) -> list[str]:
    """That samples are effective ones, and how long it took to build them."""
    by_hinge = [row for row in rows if is_hinge(row["algorithm"])]
    if not by_hinge:
        return []
    dense = [row["batch"] for row in rows if not is_hinge(row["algorithm"]) and row["status"] == Status.OK]
    parts = ["hinge: effective samples" + (f", dense up to N = {power(max(dense))}" if dense else "")]
    for row in _largest(by_hinge, "samples", lambda row: pd.notna(row["build_seconds"])):
        parts.append(f"build {duration(row['build_seconds'])} at N = {power(row['samples'])}")
    return parts


def _has_compiled(row: Row) -> bool:
    seconds: float = row["first_call_seconds"]
    return seconds > COMPILED_SECONDS and seconds > COMPILED_TIMES * row["median_us"] / 1e6


def _largest(rows: list[Row], name: str, which: Callable[[Row], bool]) -> list[Row]:
    """The row with the largest value of a column, among those that meet a condition; empty if no row does."""
    found = [row for row in rows if which(row)]
    return [max(found, key=lambda row: float(row[name]))] if found else []


def _unsound(rows: list[Row]) -> list[str]:
    """Each warning once, with the sizes that it is about: "noisy at N = 32, 800"."""
    found: dict[str, list[int]] = {}
    for row in sorted(rows, key=lambda row: int(row["batch"])):
        for word in warnings.words(row["unsound"]):
            found.setdefault(word, []).append(row["batch"])
    return [f"{word} at N = {', '.join(map(power, dict.fromkeys(sizes)))}" for word, sizes in found.items()]
