"""Helpers for the text of errors and results."""

import pytest

from relufit import RelufitError, fit, init_params
from relufit.cli import printing
from relufit.errors import counted


@pytest.mark.parametrize(("number", "words"), [(0, "0 units"), (1, "1 unit"), (2, "2 units"), (-1, "-1 units")])
def test_numbers_of_things_are_counted(number: int, words: str) -> None:
    """The noun is singular for 1 only."""
    assert counted(number, "unit") == words


def test_one_is_singular_wherever_it_is_printed() -> None:
    """Results, the repr of a fit and errors have the singular for 1."""
    found = fit("sin", hidden=1, epochs=1, n=10, progress=False)
    assert "1 hidden unit, adam on numpy: 1 epoch, 1 step, " in printing.in_words(found)
    assert "1 hidden unit, adam" in repr(found)
    assert "1 row; 1 row with a gap was left out" in printing.in_words(found.with_metrics(rows=1, dropped=1))
    with pytest.raises(RelufitError, match="takes 1 column of x, not 2"):
        printing.demand_inputs(init_params(4), 2)
    with pytest.raises(RelufitError, match="sin takes 1 argument, not 2"):
        fit("sin(x, 1)")
