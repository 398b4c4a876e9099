"""What every backend must do, as functions of a backend: run on all of them, and on broken ones."""

from collections.abc import Callable

from conformance import answers, refusals, training
from conformance.problems import DTYPES, RULES, SIZES, on_device, problem
from conformance.training import trains_as_the_formulas_say, trains_in_slices
from relufit import Backend, Sizes

__all__ = ["REQUIREMENTS", "on_device", "problem", "trains_as_the_formulas_say", "trains_in_slices"]

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
    for sizes in SIZES:
        bind(answers.agrees_with_the_definition, sizes)
    for sizes in (Sizes(20, 1, 9, 1), Sizes(20, 2, 9, 2)):  # both forms of the gradient
        bind(answers.agrees_with_finite_differences, sizes)
    for samples in (300, 2000):  # by segments of the network, in numpy and in compiled loops
        bind(answers.answers_each_sample_by_itself, samples)
    for rule in RULES:
        bind(trains_as_the_formulas_say, rule)
        bind(trains_in_slices, rule)
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
