"""The table of workloads: one row each, with all properties that the harness needs.

A new workload is a row here and a function under bench/test_*.py that runs it (`@pytest.mark.work(name)`); profiles set
its sizes. No other module lists workloads: `named` selects them by their properties.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple


class Shown(NamedTuple):
    """A column of the main table: a case of the usual width and dtype, and the unit of its time."""

    batch: int
    unit: str = "us"
    optimizer: str = ""


@dataclass(frozen=True)
class Workload:
    """One workload."""

    name: str  # `work` in the journal
    title: str = ""  # of its tables
    unit: str = "us"  # of the numbers in them
    clock: str = ""  # what is inside the clock, and what is not: a sentence
    table: str = "throughput"  # the table of the report with its rows
    verb: str = "loss_and_grads"  # the verb of the backend that a call consists of
    cost: str = ""  # its formula in grid/cost.py: forward, gradient or step; "" has no roofline
    timed: bool = True  # a finished row holds rounds of seconds
    repeated: bool = True  # every pass repeats it
    sized_by_batch: bool = False  # N is the grid's batch size, which --batch replaces
    minibatches: bool = False  # always trains on minibatches of the training samples; a step does so at N = 32 only
    learns: bool = False  # trains at the optimizer's usual rate; timed training uses one that cannot diverge
    lists_checks: bool = False  # rows hold the error of every quantity, not only the worst
    reducible: bool = False  # has cases with products in reduced precision
    ends_on_host: bool = False  # a call returns its result on the host, so no synchronization is needed
    columns: tuple[Shown, ...] = ()  # of the main table

    @property
    def is_gradient(self) -> bool:
        """Whether a timed call is exactly one gradient."""
        return self.cost == "gradient"


_UNTIMED: dict[str, Any] = {"timed": False, "repeated": False}
_LEARNING: dict[str, Any] = {**_UNTIMED, "verb": "train", "minibatches": True, "learns": True}
_ON_DEVICE = "; weights and samples are on the device before"
_SHARED = "; a CPU library may share the memory and copy nothing"
_STEP_CLOCK = (
    "forward, backward and update inside `train`, per step, in calls of 5 ms at least: epochs of 25 minibatches at "
    "N = 32, full batches at every other N; the order of minibatches is drawn before"
)
_SOLVING_CLOCK = "the calls of train, all of L-BFGS but its looks, the whole of a spline; errors are taken between them"
_COMPARISON = "nothing: a comparison with float64 numpy"

WORKLOADS = {row.name: row for row in (
    Workload("forward", "Forward", "us", f"`forward` of N samples, keeping nothing for a gradient{_ON_DEVICE}",
             verb="forward", cost="forward", sized_by_batch=True, reducible=True, columns=(Shown(800),)),
    Workload("gradient", "Forward + backward", "us", f"loss and all four gradients of N samples{_ON_DEVICE}",
             cost="gradient", sized_by_batch=True, reducible=True, columns=(Shown(800), Shown(65536, "ms"))),
    Workload("backward", "Backward alone (difference of the two above)", "us", "nothing: it is gradient minus forward",
             **_UNTIMED),
    Workload("step", "Training step", "us", _STEP_CLOCK, verb="train", cost="step", sized_by_batch=True,
             reducible=True, columns=(Shown(32, optimizer="adam"), Shown(32, optimizer="sgd"))),
    Workload("latency", "Latency of one forward, host to host", "us",
             "one forward from a host array to a host array, the clock read around each call",
             verb="forward", ends_on_host=True),
    Workload("to_device", "Transfer to the device", "us", f"one column of 65 536 values to the device{_SHARED}",
             verb="to_device"),
    Workload("to_host", "Transfer to the host", "us", f"one column of 65 536 values from the device{_SHARED}",
             verb="to_host", ends_on_host=True),
    Workload("scaling", "Scaling", "s", "one gradient of all samples; building the samples stands beside it",
             table="scaling", cost="gradient", repeated=False, sized_by_batch=True),
    Workload("ensemble", "Ensembles", "networks/s", "a step of all networks inside one call of train_many",
             table="ensembles", verb="train", minibatches=True),
    Workload("convergence", "Convergence", "s", "the calls of train; the test error is taken between them",
             table="convergence", **_LEARNING),
    Workload("solving", "Solvers", "s", _SOLVING_CLOCK, table="solvers", **_LEARNING),
    Workload("memory", "Memory", "MiB", "nothing: memory is measured in a pass of its own",
             table="memory", sized_by_batch=True, **_UNTIMED),
    Workload("agreement", "Agreement", "share of the bound", _COMPARISON,
             table="agreement", sized_by_batch=True, reducible=True, lists_checks=True, **_UNTIMED),
    Workload("trajectory", "Trajectory", "share of the bound", _COMPARISON,
             table="trajectory", lists_checks=True, **_LEARNING),
)}  # fmt: skip


def workload(name: str) -> Workload:
    """The row of that name; for an unknown name in a journal, a row that is in no table."""
    return WORKLOADS.get(name) or Workload(name, table="", repeated=False)


def named(**wanted: Any) -> list[str]:
    """The names of the workloads with these properties: `named(timed=True, repeated=False)`."""
    return [name for name, row in WORKLOADS.items() if all(getattr(row, key) == value for key, value in wanted.items())]
