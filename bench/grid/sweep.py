"""The sweep of a crossover: two backends, one workload, and the size that varies, with its ends.

Each field is declared once, for the command line, the first line of the journal (`settings`, `crossover`) and the
report.
"""

import re
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from bench.grid.case import MINIBATCH, RULES, Case
from relufit.network.params import DTYPES

SYMBOLS = {"batch": "N", "hidden": "H"}
FIXED = {"batch": 800, "hidden": 512}  # default of the size that does not vary
WORKS = ("gradient", "forward", "step")  # each a function of bench/measure/throughput.py
MOST = {"batch": 65536, "hidden": 4096}  # default end of the size that varies


def _flag(flag: str, default: Any = MISSING, **words: Any) -> Any:
    """A field with a command-line flag; `words` are keywords of ArgumentParser.add_argument."""
    usual = {} if default is MISSING else {"default": default}
    return field(**usual, metadata={"flag": flag, **usual, **words})


@dataclass(frozen=True)
class Sweep:
    """Two backends, one workload, and one size that varies."""

    a: str = _flag("a", metavar="A", help="a backend or recipe")
    b: str = _flag("b", metavar="B", help="another one")
    over: str = _flag("--over", "batch", choices=SYMBOLS, help="the size that varies (default: batch)")
    fixed: int = FIXED["hidden"]  # the other size: --hidden or --batch on the command line
    least: int = _flag("--least", 1, type=int, help="the size to begin at (default: 1)")
    most: int = _flag("--most", MOST["batch"], type=int, help="the size to end at (default: 65536 samples, 4096 units)")
    work: str = _flag("--work", "gradient", choices=WORKS, help="what is timed (default: gradient)")
    optimizer: str = _flag("--optimizer", "", choices=RULES, help="of a step (default: adam)")
    dtype: str = _flag("--dtype", "float32", choices=DTYPES, help="default: float32")

    @property
    def symbol(self) -> str:
        """The letter of the size that varies."""
        return SYMBOLS[self.over]

    @property
    def other(self) -> str:
        """The size that does not vary."""
        return next(name for name in SYMBOLS if name != self.over)

    @property
    def avoided(self) -> tuple[int, ...]:
        """Sizes that are not measured: only at N = 32 a step is one of an epoch of minibatches."""
        return (MINIBATCH,) if self.work == "step" and self.over == "batch" else ()

    def case(self, size: int) -> Case:
        """The case at one size."""
        batch, hidden = (size, self.fixed) if self.over == "batch" else (self.fixed, size)
        return Case(self.work, batch, hidden, self.dtype, optimizer=self.optimizer)

    def words(self) -> str:
        """The work, the fixed size and the dtype: "gradient, H = 512, float32"."""
        work = f"{self.optimizer} {self.work}" if self.optimizer else self.work
        return f"{work}, {SYMBOLS[self.other]} = {self.fixed}, {self.dtype}"

    @property
    def title(self) -> str:
        """The title of its tables: "numpy or torch-cpu, gradient, H = 512, float32"."""
        return f"{self.a} or {self.b}, {self.words()}"

    def slug(self) -> str:
        """The sweep as part of a file name, without the ends of its sizes."""
        parts = [self.a, "to", self.b, "over", self.over, self.optimizer, self.work]
        if self.fixed != FIXED[self.other]:
            parts += [self.other, str(self.fixed)]
        if self.dtype != "float32":
            parts += [self.dtype]
        return re.sub(r"[^a-z0-9]+", "-", "-".join(filter(None, parts)).lower()).strip("-")

    def settings(self) -> dict[str, Any]:
        """Its fields, for the journal."""
        return asdict(self)


def read(found: object) -> Sweep | None:
    """The sweep in a journal, or None if the entry is missing, lacks a field, or has a field of the wrong type."""
    values: list[Any] = [found.get(item.name) for item in fields(Sweep)] if isinstance(found, dict) else []
    if [type(value) for value in values] != [item.type for item in fields(Sweep)]:
        return None
    sweep = Sweep(*values)
    return sweep if sweep.over in SYMBOLS else None
