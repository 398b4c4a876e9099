"""Set-up of the tests: assertions in the shared requirements explain themselves as those in tests do."""

import pytest

from bench import machine
from bench.loading import known_names
from relufit import backends

pytest.register_assert_rewrite("conformance")


def pytest_configure() -> None:
    """A mistyped RELUFIT_REQUIRE must not pass for a fulfilled one; the backends on a GPU share its memory."""
    machine.share_gpu_memory()
    unknown = sorted(backends.required() - set(known_names()))
    if unknown:
        raise pytest.UsageError(f"RELUFIT_REQUIRE names {', '.join(unknown)}; known: {', '.join(known_names())}")
