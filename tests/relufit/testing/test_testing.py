"""The conformance suite as a function of a backend, for packages that have one."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from relufit import Params, RelufitError, backends
from relufit.backend import Samples
from relufit.backends.numpy import NumpyBackend
from relufit.testing import REQUIREMENTS, ChecksFailed, check_backend


class Scaled(NumpyBackend):
    """Every gradient is 1.001 times too large, and float64 is refused."""

    def supports(self, sizes: Any, dtype: str, *rest: Any) -> str | None:
        return "no float64" if dtype == "float64" else None

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Any, Params]:
        loss, grads = super().loss_and_grads(params, samples)
        return loss, Params(*(g * g.dtype.type(1.001) for g in grads))


class Raising(NumpyBackend):
    """Its trainings end in an error of its own."""

    def train(self, *given: Any) -> Any:
        raise ZeroDivisionError("no training")


def test_a_right_backend_passes_every_check() -> None:
    """Each check has its name, and none is skipped by the backend that does all."""
    checks = check_backend(backends.load("numpy"))
    assert [check.name for check in checks] == list(REQUIREMENTS)
    assert {(check.status, check.reason) for check in checks} == {("passed", "")}


def test_a_wrong_backend_fails_with_reasons() -> None:
    """What fails and what is skipped is listed with its reason, and raised as an AssertionError unless asked not to."""
    with pytest.raises(ChecksFailed, match="an element of w1 is off by") as caught:
        check_backend(Scaled())
    assert isinstance(caught.value, AssertionError)
    assert isinstance(caught.value, RelufitError)
    checks = check_backend(Scaled(), raises=False)
    assert checks == caught.value.checks
    found = {check.status for check in checks}
    assert found == {"passed", "failed", "skipped"}
    assert all(check.reason for check in checks if check.status != "passed")


def test_what_a_backend_raises_is_a_reason() -> None:
    """An exception of any kind costs its check alone."""
    checks = {check.name: check for check in check_backend(Raising(), raises=False)}
    assert checks["trains_many()"].reason == "ZeroDivisionError: no training"
    assert checks["takes_samples()"].status == "passed"


def test_checks_need_neither_pytest_nor_asserts() -> None:
    """Without pytest, and under python -O, a wrong backend still fails."""
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from relufit.backends.numpy import NumpyBackend; from relufit.testing import check_backend\n"
        "class Off(NumpyBackend):\n"
        "    def forward(self, params, x): return super().forward(params, x) + 1\n"
        "print({check.status for check in check_backend(Off(), raises=False)})"
    )
    done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert "failed" in done.stdout


def test_nan_is_no_agreement() -> None:
    """A result of nan fails where an error of any size would."""

    class Nan(NumpyBackend):
        def forward(self, params: Params, x: Any) -> Any:
            return super().forward(params, x) * np.float32("nan")

    failed = [check for check in check_backend(Nan(), raises=False) if check.status == "failed"]
    assert any("an element of output is off by nan" in check.reason for check in failed)


def test_modules_on_demand_need_no_import_of_their_own() -> None:
    """After `import relufit` its modules can be used, and nothing that they need was imported before."""
    code = (
        "import sys, relufit; assert 'relufit.testing' not in sys.modules and 'sklearn' not in sys.modules\n"
        "relufit.testing.check_backend; relufit.files.fit_file\n"
        "try: relufit.no_such\nexcept AttributeError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert "no attribute 'no_such'" in done.stdout
