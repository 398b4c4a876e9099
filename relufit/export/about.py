"""What a saved file says of a fit besides its weights: metrics, the function fitted, and where; as JSON."""

import json
from typing import Any, NamedTuple

import numpy as np

from relufit.errors import RelufitError
from relufit.network.metrics import Metrics
from relufit.targets import Target
from relufit.targets.expressions import Expression


class About(NamedTuple):
    """What is saved of a fit: enough to predict, draw and export it; no data."""

    metrics: Metrics
    bounds: np.ndarray  # (2, D) the least and the greatest x
    samples: int  # their number
    target: Target | None  # None for data, and for a function without an expression

    def to_json(self) -> str:
        """As JSON; numbers are written so that they are read back exactly."""
        target = None
        if self.target is not None and self.target.expression is not None:
            target = {name: getattr(self.target, name) for name in ("name", "domain", "noise", "expression")}
        described = {"metrics": dict(self.metrics), "bounds": self.bounds.tolist(), "samples": self.samples}
        return json.dumps(described | {"target": target})

    @classmethod
    def from_json(cls, text: str, inputs: int) -> "About":
        """Read what `to_json` wrote for a network of so many inputs. Raises ValueError for any other text."""
        try:
            return cls._of(**json.loads(text), inputs=inputs)
        except (TypeError, KeyError, AttributeError, RelufitError) as error:
            raise ValueError(str(error)) from None

    @classmethod
    def _of(cls, metrics: Any, bounds: Any, samples: Any, target: Any, inputs: int) -> "About":
        limits = np.array(bounds, np.float64)
        if limits.shape != (2, inputs) or not np.isfinite(limits).all() or type(samples) is not int or samples < 0:
            raise ValueError("bounds or samples are not valid")
        if target is not None:
            target = Target(**target | {"function": Expression(target["expression"])})
        return cls(Metrics(**metrics), limits, samples, target)
