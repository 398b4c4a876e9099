"""What every backend must do, as checks that can be run on any backend: `check_backend`.

A package that has a backend of its own calls it in its tests, as packages of estimators call scikit-learn's
check_estimator. Nothing here needs pytest.
"""

from collections.abc import Callable
from dataclasses import dataclass

from relufit.backends.base import Backend
from relufit.errors import RelufitError
from relufit.network.params import Sizes
from relufit.testing import answers, refusals, training
from relufit.testing.problems import DTYPES, RULES, SIZES, Unsupported

__all__ = ["REQUIREMENTS", "Check", "ChecksFailed", "Unsupported", "check_backend"]


@dataclass(frozen=True)
class Check:
    """What became of one check of a backend."""

    name: str  # of the function and its arguments: "agrees_with_float64(Sizes(...), 'float32')"
    status: str  # "passed", "failed", or "skipped" where `supports` of the backend refuses what the check needs
    reason: str  # why it failed or was skipped; empty where it passed


class ChecksFailed(RelufitError, AssertionError):
    """Some checks of a backend failed; `checks` holds all of them."""

    def __init__(self, backend: Backend, checks: list[Check]) -> None:
        self.checks = checks
        failed = [check for check in checks if check.status == "failed"]
        lines = [f"{check.name}: {check.reason}" for check in failed]
        super().__init__("\n".join([f"{backend.name} fails {len(failed)} of {len(checks)} checks:", *lines]))


def check_backend(backend: Backend, *, raises: bool = True) -> list[Check]:
    """Run every check on a backend, under the settings of its `pinned`, and return what became of each.

    Takes a few seconds. Raises ChecksFailed, an AssertionError, where a check fails, unless `raises` is false.
    """
    with backend.pinned():
        checks = [_run(name, requirement, backend) for name, requirement in REQUIREMENTS.items()]
    if raises and any(check.status == "failed" for check in checks):
        raise ChecksFailed(backend, checks)
    return checks


def _run(name: str, requirement: "Requirement", backend: Backend) -> Check:
    try:
        requirement(backend)
    except Unsupported as error:
        return Check(name, "skipped", str(error))
    except AssertionError as error:
        return Check(name, "failed", " ".join(str(error).split()))
    except Exception as error:  # a backend may raise anything: that is what is tested
        return Check(name, "failed", f"{type(error).__name__}: {error}")
    return Check(name, "passed", "")


Requirement = Callable[[Backend], None]


def _requirements() -> dict[str, Requirement]:
    """Every requirement with its cases bound, by name and arguments: what a mutant has to get past."""
    found: dict[str, Requirement] = {}

    def bind(function: Callable[..., None], *arguments: object) -> None:
        found[f"{function.__name__}{arguments}"] = lambda backend: function(backend, *arguments)

    for dtype in DTYPES:
        for sizes in SIZES:
            bind(answers.agrees_with_float64, sizes, dtype)
        bind(answers.keeps_dtypes, dtype)
        bind(answers.is_zero_at_the_kink, dtype)
        for sizes in (Sizes(4, 1, 6, 1), Sizes(4, 2, 6, 3)):
            bind(answers.takes_no_rows, sizes, dtype)
    for sizes in SIZES:
        bind(answers.agrees_with_the_definition, sizes)
    for sizes in (Sizes(20, 1, 9, 1), Sizes(20, 2, 9, 2)):  # both forms of the gradient
        bind(answers.agrees_with_finite_differences, sizes)
    for samples in (300, 2000):  # by segments of the network, in numpy and in compiled loops
        bind(answers.answers_each_sample_by_itself, samples)
    for rule in RULES:
        bind(training.trains_as_the_formulas_say, rule)
        bind(training.trains_in_slices, rule)
    for function in (
        answers.leaves_inputs_unchanged,
        answers.repeats_itself,
        answers.takes_any_layout,
        refusals.refuses_bad_samples,
        refusals.refuses_a_network_that_does_not_fit,
        refusals.refuses_a_plan_that_does_not_fit,
        answers.shows_divergence,
        training.trains_many,
        answers.moves_arrays_faithfully,
        answers.takes_samples,
        refusals.refuses_many_networks_that_do_not_fit,
        refusals.refuses_a_state_that_does_not_fit,
        refusals.refuses_weights_of_another_library,
    ):
        bind(function)
    return found


REQUIREMENTS = _requirements()
