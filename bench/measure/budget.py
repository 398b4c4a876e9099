"""How long a run and its cases may take, and what a run has learned of its backends so far."""

import time

from bench.agreement.comparison import Checks
from bench.grid.case import Case
from bench.journal.status import Status
from bench.measure.timing import MAX_ROUNDS, ROUND_SECONDS
from relufit.errors import RelufitError

QUICK_SECONDS = 110.0  # with what is compiled and probed before, under 3 minutes
CASE_SECONDS = {"full": 0.6, "headline": 3.0, "solvers": 10.0}  # without a limit
MAX_CASE_SECONDS = 2.0
CALL_SECONDS_LIMIT = 10.0  # a gradient that would take longer is skipped
SHARE_FOR_ROUNDS = 0.6  # of a case's time; the rest is for the reference, the gate and the warm-up


class Unsuitable(RelufitError):
    """This backend cannot do this case; the message is the reason that the tables give."""

    status = Status.SKIPPED


class Budget:
    """The time that is left, shared evenly over the cases that are left; without a limit, `case_seconds` for each."""

    def __init__(self, seconds: float | None, cases: int, case_seconds: float = MAX_CASE_SECONDS) -> None:
        self.seconds, self.cases_left, self.start = seconds, cases, time.monotonic()
        self.case_seconds = case_seconds

    @property
    def round_seconds(self) -> float:
        """The least length of a round; without a limit, the rounds fill the time of the case.

        Other processes disturb a machine for milliseconds at a time: a round as short is disturbed fully or not at all.
        """
        if self.seconds is not None:
            return ROUND_SECONDS
        return max(ROUND_SECONDS, SHARE_FOR_ROUNDS * self.case_seconds / MAX_ROUNDS)

    def next_share(self) -> float:
        """Seconds for the next case. Raises Unsuitable when the budget is spent."""
        if self.seconds is None:
            return self.case_seconds
        left = self.seconds - (time.monotonic() - self.start)
        if left <= 0:
            raise Unsuitable(f"the time budget of {self.seconds:g} s was spent; --seconds or --profile full gives more")
        share = left / max(1, self.cases_left)
        self.cases_left -= 1
        return min(share, max(MAX_CASE_SECONDS, self.case_seconds))


class Past:
    """What a run knows of its backends: what each one's last gradient took at which N, and which cases agreed."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, int, str], tuple[int, float]] = {}
        self.agreed: dict[tuple[str, Case], Checks] = {}

    def learn(self, name: str, case: Case, seconds: float) -> None:
        """Keep the seconds of a gradient of this backend."""
        self.last[name, case.hidden, case.dtype] = case.batch, seconds

    def demand(self, name: str, case: Case) -> None:
        """Raise Unsuitable where N times the backend's own seconds a sample is over the limit."""
        samples, seconds = self.last.get((name, case.hidden, case.dtype), (case.batch, 0.0))
        predicted = seconds * case.batch / samples
        if predicted > CALL_SECONDS_LIMIT:
            raise Unsuitable(f"about {predicted:.0f} s a call, the limit is {CALL_SECONDS_LIMIT:g} s")
