"""The parser of expressions: right values, a whitelist that holds, and answers at once."""

import contextlib
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relufit import RelufitError
from relufit.targets import parse
from relufit.targets.expressions import ARGUMENTS, FUNCTIONS

X = np.linspace(-2, 2, 41)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sin(3*x) + x**2", np.sin(3 * X) + X**2),
        ("-x", -X),
        ("+x - -1", X + 1),
        ("2**-x", 2.0**-X),
        ("x % 0.3", X % 0.3),
        ("pi*e", np.full_like(X, math.pi * math.e)),
        ("3", np.full_like(X, 3.0)),
        ("1e-3*x/7", 1e-3 * X / 7),
        ("max(x, min(0.5, x*x))", np.maximum(X, np.minimum(0.5, X * X))),
        ("relu(x) + abs(x) - step(x)", np.maximum(X, 0) + np.abs(X) - (X >= 0)),
        ("2 - 3 - 4*x", -1 - 4 * X),
        ("x**3 - x**4 + 2*x**5", np.power(X, 3) - np.power(X, 4) + 2 * np.power(X, 5)),
        ("(x - 1)**3", np.power(X - 1, 3)),
        ("2**3**2 + 0*x", np.full_like(X, 512.0)),
        ("  (x)\t", X),
        ("where(x > 0, x, 3*x)", np.where(X > 0, X, 3 * X)),
        ("where(0 < x <= 1, sqrt(x), 0)", np.where((X > 0) & (X <= 1), np.sqrt(np.abs(X)), 0)),
        ("where(0 < 1 < x, 1, 2) + where(x == 0, 1, 0)", np.where(X > 1, 1, 2) + (X == 0)),
        ("where(x != 0, sin(x)/x, 1)", np.sinc(X / np.pi)),
    ],
)
def test_parse_means_what_python_means(text: str, wanted: np.ndarray) -> None:
    """Precedence, associativity and functions are those of Python, and constants are functions of x."""
    np.testing.assert_allclose(parse(text).function(X), wanted, rtol=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_of_the_table_can_be_called(name: str) -> None:
    """Every function of the table is called elementwise, on any shape."""
    text = f"{name}({ARGUMENTS[name]})"
    assert parse(text).function(np.full((2, 3), 0.5)).shape == (2, 3)


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "y", "x y", "x +", "sin", "sin x", "sin()", "sin(x, x)", "max(x)", "f(x)", "x^2", "x == 1",
        "x if x else 1", "lambda: x", "[x]", "x[0]", "x.real", "x.__class__", "().__class__.__bases__",
        "__import__('os')", "'x'", "1j*x", "True", "None", "x @ x", "x // 2", "x & 1", "~x", "not x", "x and x",
        "(x, x)", "{x}", "sin(x=1)", "sin(*x)", "x := 1", "f'{x}'", "...", "x\0", "\ud800", "x; x", "x\nx", "import os",
        "(" * 60 + "x" + ")" * 60, "-" * 60 + "x", "x**" * 60 + "x", "sin(" * 51 + "x" + ")" * 51, "x" + "+x" * 500,
        "(" * 900, "not " * 200 + "x", "9" * 1001, "where", "where(x > 0, x)", "where(x, 1, 2)", "where(x is x, 1, 2)",
        "where(x > 0 and x < 1, 1, 2)", "where(0 < where(0 < x < 1, 1, 2) < 1, 1, 2)", "max(x > 0, 1)",
        "where(y > 0, 1, 2)",
    ],
)  # fmt: skip
def test_everything_else_is_one_sentence(text: str) -> None:
    """Whatever is not on the whitelist is refused, with a reason."""
    with pytest.raises(RelufitError) as caught:
        parse(text)
    assert 0 < len(str(caught.value)) < 400


@pytest.mark.parametrize("text", [None, 3, b"x", ["x"]])
def test_only_text_is_parsed(text: object) -> None:
    """Anything but a text is refused in a sentence."""
    with pytest.raises(RelufitError):
        parse(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["9**9**9**9", "9**9**9**9*x", "(-8)**(1/3)", "1/0", "0/0*x", "9" * 999, "log(-1)", "exp(exp(exp(9)))"]
)
def test_what_has_no_finite_value_answers_at_once(text: str) -> None:
    """A text without a finite value answers at once: the target says where it is not finite."""
    start = time.perf_counter()
    target = parse(text)
    assert target.function(X).shape == X.shape
    with pytest.raises(RelufitError, match="finite"):
        target(X)
    assert time.perf_counter() - start < 0.5


def test_a_long_sum_is_not_deep() -> None:
    """400 terms in under 1000 characters are an ordinary expression."""
    np.testing.assert_allclose(parse("+".join(["x"] * 400)).function(X), 400 * X)


@given(st.text(alphabet="x0123456789.+-*/%() ,sincoexplgbt^'_[]{}", max_size=60))
def test_no_text_can_do_more_than_fail(text: str) -> None:
    """Random text is an expression or a RelufitError, never another exception."""
    with contextlib.suppress(RelufitError):
        assert parse(text).function(X).shape == X.shape


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sine(x)", r"unknown function 'sine' \(did you mean sin\?\)"),
        ("x + arctan(x)", r"'arctan' \(did you mean atan\?\)"),
        ("PI*x", r"unknown name 'PI' in the expression \(did you mean pi\?\)"),
        ("qqq(x)", "unknown function 'qqq'; known: sin"),
        ("x > 0", r"as in where\(x > 0, x, -x\)"),
        ("where(x, 1, 2)", r"as in where\(0 < x <= 1, x, 0\)"),
        ("max", r"write max\(x, 1\)"),
    ],
)
def test_a_refusal_says_what_to_write(text: str, sentence: str) -> None:
    """An unknown name is answered by the nearest one, and a misplaced comparison by an example."""
    with pytest.raises(RelufitError, match=sentence):
        parse(text)


def test_a_named_argument_is_told_from_an_unknown_function() -> None:
    """A known function with a named argument is refused with the right way to call it."""
    with pytest.raises(RelufitError, match=r"^sin takes its arguments without names: write sin\(x\)$"):
        parse("sin(x=1)")
