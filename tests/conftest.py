"""Set-up of the tests: assertions in the shared requirements explain themselves as those in tests do."""

import os
from collections.abc import Generator

import hypothesis
import pytest
import scipy.linalg  # noqa: F401  # loads a BLAS of its own, whose threads can be limited from then on
from threadpoolctl import threadpool_limits

from bench.grid.selection import is_backend
from bench.hardware import machine
from bench.recipes import known_names
from relufit import backends
from relufit.testing import Unsupported

BROWSER = "browser"  # in RELUFIT_REQUIRE: tests of the page in a browser fail where they would be skipped

# Times of single examples say nothing on a loaded machine.
hypothesis.settings.register_profile("relufit", deadline=None)
hypothesis.settings.load_profile("relufit")
pytest.register_assert_rewrite("cleanness", "command_line", "table_files")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """What a backend says that it does not support is skipped, with its reason."""
    try:
        yield
    except Unsupported as error:
        pytest.skip(str(error))


def pytest_configure() -> None:
    """A mistyped RELUFIT_REQUIRE is an error; backends share the memory of a GPU, and workers the cores."""
    machine.share_gpu_memory()
    # Threads of BLAS wait actively: where there are more of them than cores, small products take ten times as long.
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    threadpool_limits(max(1, machine.usable_cores() // workers))
    # What tests begin in processes of their own is no worker of this run, in which pytest-benchmark times nothing.
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        del os.environ[name]
    required = backends.required()
    if BROWSER in required:  # what tests begin in processes of their own takes names of backends alone
        os.environ |= {"RELUFIT_REQUIRE": ",".join(sorted(required - {BROWSER})), "RELUFIT_REQUIRE_BROWSER": "1"}
    # torch-<device> is a name for every device of torch, so a mistyped device is known by the table alone.
    known = {name for name in required if name.partition(":")[0] in known_names() and is_backend(name)}
    unknown = sorted(required - {*known, BROWSER})
    if unknown:
        raise pytest.UsageError(
            f"RELUFIT_REQUIRE names {', '.join(unknown)}; known: {', '.join(known_names())}, {BROWSER}"
        )
