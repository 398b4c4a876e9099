"""The sweep of a crossover: two backends, one kind of work, and the size that varies, with its ends.

The first line of the journal holds it (`settings`, `crossover`), and reports read it from there.
"""

import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from bench.grid.case import MINIBATCH, Case

SYMBOLS = {"batch": "N", "hidden": "H"}
FIXED = {"batch": 800, "hidden": 512}  # the usual value of the one that stays as it is
MOST = {"batch": 65536, "hidden": 4096}  # the usual end of the one that varies


@dataclass(frozen=True)
class Question:
    """Two backends, one kind of work, and one size that varies."""

    a: str
    b: str
    over: str  # batch or hidden: the size that varies
    fixed: int  # the other one
    least: int  # of the sizes that are looked at
    most: int
    work: str = "gradient"
    optimizer: str = ""  # of a step
    dtype: str = "float32"

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
        """Sizes that are not measured: at N = 32 a step is one of an epoch of minibatches, at no other size."""
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
        """The sweep as part of a file's name, without the ends of its sizes."""
        usual = self.fixed == FIXED[self.other]
        parts = [
            *(self.a, "to", self.b, "over", self.over, self.optimizer, self.work),
            *([] if usual else [self.other, str(self.fixed)]),
            *([] if self.dtype == "float32" else [self.dtype]),
        ]
        return re.sub(r"[^a-z0-9]+", "-", "-".join(filter(None, parts)).lower()).strip("-")

    def settings(self) -> dict[str, Any]:
        """Its fields, for the journal."""
        return asdict(self)


def read(found: object) -> Question | None:
    """The sweep that a journal holds; None where it holds none, or lacks a field."""
    if not isinstance(found, dict):
        return None
    values: list[Any] = [found.get(field.name) for field in fields(Question)]
    if not all(type(value) is field.type for value, field in zip(values, fields(Question), strict=True)):
        return None
    question = Question(*values)
    return question if question.over in SYMBOLS else None
