"""A plugin for the runs that tests begin: each case has as many seconds, however many a loaded machine has spent."""

from bench.measure.session import Budget

SECONDS = 0.3


def pytest_configure() -> None:
    """The tests read SECONDS in their own process, in which shares stay as they are."""
    Budget.next_share = lambda self, name: SECONDS  # type: ignore[method-assign]
