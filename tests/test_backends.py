"""The conformance suite: every backend, every requirement; what cannot run here is skipped with its reason."""

import pytest
from conformance import REQUIREMENTS

from bench.loading import known_names, load_or_skip
from bench.recipes import RECIPES
from relufit.backends import row


def _mark(name: str) -> object:
    gpu = name not in RECIPES and row(name).device != "cpu"
    return pytest.param(name, marks=pytest.mark.gpu if gpu else ())


@pytest.mark.parametrize("requirement", REQUIREMENTS)
@pytest.mark.parametrize("name", [_mark(name) for name in known_names()])
def test_backend(name: str, requirement: str) -> None:
    """The backend meets the requirement."""
    backend = load_or_skip(name)
    with backend.pinned():
        REQUIREMENTS[requirement](backend)
