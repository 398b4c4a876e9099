"""Trials outside pytest-benchmark, and the lines that they write."""

from types import SimpleNamespace
from typing import Any

from bench.grid.case import Case
from bench.journal.status import status_of
from bench.measure import throughput
from bench.measure.trial import Past, Trial
from relufit.backends.numpy import NumpyBackend


class Fixture:
    """Stands in for pytest-benchmark's: one round, of so many seconds."""

    disabled, enabled, seconds = False, True, 0.5

    def pedantic(self, call: Any, rounds: int = 1, iterations: int = 1) -> None:
        call()
        self.stats = SimpleNamespace(stats=SimpleNamespace(data=[self.seconds] * rounds, median=self.seconds))


def make(case: Case, backend: NumpyBackend, past: Past | None = None) -> tuple[Trial, list[dict[str, Any]]]:
    """A trial and the lines that it writes."""
    lines: list[dict[str, Any]] = []
    return Trial(case, backend, Fixture(), lines.append, 1.0, past or Past()), lines  # type: ignore[arg-type]


def measured(case: Case, backend: Any, **options: Any) -> tuple[str, str, dict[str, Any]]:
    """The status and the reason of the case, and the line that it writes."""
    written: list[dict[str, Any]] = []
    shown: list[Any] = []
    trial = Trial(case, backend, None, written.append, 0.1, **options)
    trial.hand_over = lambda *rounds: shown.append(rounds)
    try:
        getattr(throughput, case.work)(trial)
    except Exception as error:
        assert not written
        assert not shown
        return (*status_of(error), {})
    steps = written[0]["steps"]
    assert shown == [([second / steps for second in written[0]["seconds"]], written[0]["iterations"] * steps)]
    return written[0]["status"], "", written[0]
