"""Expressions in sympy: the same values, exact derivatives, several libraries, and no way around the parser."""

import contextlib
import importlib.util
import subprocess
import sys
import time

import numpy as np
import pytest
import sympy

from relufit import RelufitError, Target, symbolic
from relufit.targets import ZOO, parse, resolve
from relufit.targets.expressions import ARGUMENTS, FUNCTIONS

POINTS = np.linspace(0.05, 0.95, 37)
SMOOTH = [
    "sin(3*x) + x**2", "-x", "2**-x", "x**x", "exp(-x**2)*cos(5*x)", "log(x)", "log2(x) + log10(x)", "tan(x)",
    "sinh(x) + cosh(x)*tanh(x)", "asin(x) + acos(x/2) + atan(x)", "sqrt(x)", "cbrt(x - 0.31)", "x**0.3", "x**(1/3)",
    "1/(1 + 25*x*x)", "abs(x - 0.51)", "abs(x - 0.51)**3", "relu(x - 0.51)**2", "max(x, 0.51)*min(x**2, 0.33)",
    "abs(log(x) + 0.7)", "sqrt((x - 0.51)**2)", "pi*x + e", "e**x", "3", "0*x", "sqrt(2)*x + sin(1)", "x*relu(x - 2)",
    "(x + 0.001)**1000000", "10**12*x",
    "erf(3*x)", "sigmoid(5*x - 2)", "softplus(x)", "gelu(x - 0.4)", "gelu_tanh(x)", "silu(-x)", "hardswish(x)",
    "where(x < 0.51, x**2, 0.2601 + 1.02*(x - 0.51))", "where(0.2 < x <= 0.6, (x - 0.2)**3*(0.6 - x)**3, 0)",
    "where(x <= 0.2, 0.2, where(x > 0.6, 0.6, x))",
    "1e-12*x", "sin(sin(sin(x)))", "max(min(x, 0.4), 0.2) + relu(0.6 - x)", "x/3 - 0.3",
]  # fmt: skip
KINKED = ["abs(x - 0.51)", "abs(log(x) + 0.7)", "sqrt((x - 0.51)**2)", "x*relu(x - 2)", "hardswish(x)"]
KINKED += ["where(x <= 0.2, 0.2, where(x > 0.6, 0.6, x))"]
SMOOTH_TWICE = [text for text in SMOOTH if "min(" not in text and "1000000" not in text and text not in KINKED]
JUMPS = [
    "where(x >= 0.5, x, 0)",
    "where(0.3 != x, 1, 2)",
    "where(0.3 > x, x, 1)",
    "where(x == 0.2, 1, 2)",
    "step(x - 0.5)",
    "sign(x - 0.5)",
    "floor(3*x)",
    "ceil(3*x)",
    "x % 0.3",
    "x*step(x - 0.5) - floor(x + 0.5)",
]
LIBRARIES = [name for name in ("numpy", "torch", "jax") if importlib.util.find_spec(name)]


def near_kink(x: np.ndarray) -> np.ndarray:
    """Whether an expression of these tests is not smooth near x, to the step of a difference."""
    places = np.array([0.2, 0.31, 0.4, 0.51, 0.6, np.exp(-0.7), np.sqrt(0.33)])
    return (np.abs(x[:, None] - places) < 2e-3).any(axis=1)


@pytest.mark.parametrize("text", SMOOTH + JUMPS)
def test_an_expression_has_the_values_of_its_target(text: str) -> None:
    """The values are those that sympy's own functions give to 30 digits at three points."""
    found, x = symbolic.expression(text), sympy.Symbol("x", real=True)
    assert found.free_symbols <= {x}
    for point in (0.1, 0.35, 0.85):
        wanted = float(parse(text)(np.array([point]))[0])
        assert float(found.subs(x, sympy.Float(point, 30)).evalf(30)) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("text", [t for t in SMOOTH if "1000000" not in t])
def test_derivatives_are_those_of_differences(text: str) -> None:
    """Derivatives equal central differences of fourth order away from kinks, in the shape of x."""
    target, x, h = parse(text, (0.05, 0.95)), POINTS[~near_kink(POINTS)], 1e-4
    found = symbolic.derivative(target)
    difference = (target(x - 2 * h) - 8 * target(x - h) + 8 * target(x + h) - target(x + 2 * h)) / (12 * h)
    scale = np.abs(difference).max() + np.abs(target(x)).max() + 1e-3 * (text != "1e-12*x")
    np.testing.assert_allclose(found(x), difference, atol=1e-9 * scale, rtol=1e-7)
    assert found.domain == (0.05, 0.95)
    assert found(x.reshape(1, -1, 1)).shape == (1, len(x), 1)


@pytest.mark.parametrize("text", SMOOTH_TWICE)
def test_second_derivatives_are_those_of_first_ones(text: str) -> None:
    """The second derivative is the same at once and as the derivative of the derivative's text."""
    target, x, h = parse(text), POINTS[~near_kink(POINTS)], 1e-5
    first, second = symbolic.derivative(target), symbolic.derivative(target, 2)
    difference = (first(x + h) - first(x - h)) / (2 * h)
    np.testing.assert_allclose(second(x), difference, rtol=1e-5, atol=1e-6 * (1 + np.abs(first(x)).max()))
    again = symbolic.derivative(first)
    np.testing.assert_allclose(again(x), second(x), rtol=1e-12, atol=1e-12)
    assert again.expression is not None
    np.testing.assert_allclose(parse(again.expression)(x), second(x), rtol=1e-11, atol=1e-11)


def test_exact_values_of_derivatives() -> None:
    """Derivatives have the values that are known by hand."""
    x = np.linspace(-2, 2, 41)
    np.testing.assert_allclose(symbolic.derivative("sin", 4)(x), np.sin(x), atol=1e-15)
    np.testing.assert_array_equal(symbolic.derivative("square", 2)(x), np.full_like(x, 2))
    np.testing.assert_array_equal(symbolic.derivative("square", 3)(x), np.zeros_like(x))
    np.testing.assert_array_equal(symbolic.derivative("abs")(x), np.sign(x))
    np.testing.assert_allclose(symbolic.derivative("abs(x)**3", 2)(x), 6 * np.abs(x), atol=1e-14)
    np.testing.assert_array_equal(symbolic.derivative("relu(x)")(x), (x >= 0).astype(float))
    np.testing.assert_allclose(symbolic.derivative("relu(x)**3", 2)(x), 6 * np.maximum(x, 0), atol=1e-14)


@pytest.mark.parametrize(
    "text", ["abs(x)", "relu(x)", "x*step(x)", "abs(sin(x))", "max(x, x**2)", "sqrt(x**2)", "sign(x)**3", "sign(x)**2"]
)
def test_a_kink_has_no_second_derivative(text: str) -> None:
    """A kink has no second derivative, and a power of a jump is a jump."""
    with pytest.raises(RelufitError, match="no derivative of order 2"):
        symbolic.derivative(text, 2)


@pytest.mark.parametrize(
    ("text", "domain", "same"),
    [
        ("max(x, x**2)*min(x, 3)", (1.1, 2), "x**3"), ("abs(sin(x))", (0.1, 3), "sin(x)"),
        ("abs(sin(x))", (3.2, 6.2), "-sin(x)"), ("step(x - 1)*x**2", (2, 5), "x**2"),
        ("relu(x)*exp(x)", (-3, -1), "0*x"), ("sqrt(x**2)", (-4, -0.001), "-x"),
    ],
)  # fmt: skip
def test_a_jump_outside_the_domain_does_not_matter(text: str, domain: tuple[float, float], same: str) -> None:
    """A derivative is that of the function inside the domain."""
    x = np.linspace(*domain, 41)
    for order in (1, 2, 3):
        found = symbolic.derivative(parse(text, domain), order)
        np.testing.assert_allclose(found(x), symbolic.derivative(same, order)(x), rtol=1e-12, atol=1e-12)
    for wider in ((-9.1, 9), (-0.5, 4095.5)):  # the second has its places on both sides of 0 as far from it
        with pytest.raises(RelufitError, match="no derivative"):
            symbolic.derivative(parse(text, wider), 2)


@pytest.mark.parametrize("text", ["step", "sign(x)**3", "floor(x)", "ceil(x)", "x % 2", "x*step(x - 1)", "step(x)**2"])
def test_a_jump_has_no_derivative(text: str) -> None:
    """The derivative of step is refused."""
    with pytest.raises(RelufitError, match="jump"):
        symbolic.derivative(text)


@pytest.mark.parametrize(
    "text", ["1/0", "x/0", "sqrt(-x**2)", "(-8)**(1/3)", "log(0*x)", "1e300*1e300*x", "9**9**9**9*x", "asin(2 + 0*x)"]
)
def test_what_is_not_real_and_finite_is_refused(text: str) -> None:
    """What is not real and finite is refused, whether a number says so or what sympy makes of it."""
    for act in (symbolic.expression, symbolic.derivative, symbolic.latex, symbolic.lambdify):
        with pytest.raises(RelufitError, match="finite"):
            act(text)
    with pytest.raises(RelufitError, match="not a finite real"):
        symbolic.derivative("(-2)**x")


@pytest.mark.parametrize(
    "text",
    [
        "", "y", "x^2", "x.real", "__import__('os')", "().__class__", "lambda: x", "'x'", "1j*x", "sin(*x)",
        "oo", "I*x",
        "Symbol('x')", "eval('1')", "diff(x)", "exec", "[x]", "x if x else 1", "True", "(" * 60 + "x" + ")" * 60,
    ],
)  # fmt: skip
def test_what_the_parser_refuses_never_reaches_sympy(text: str) -> None:
    """Text that the parser refuses never reaches sympy, and no Target can claim it as its expression."""
    for act in (symbolic.expression, symbolic.derivative, symbolic.latex, symbolic.lambdify):
        with pytest.raises(RelufitError):
            act(text)
    with pytest.raises(RelufitError):
        Target("odd", np.sin, expression=text)


def nested(pattern: str, depth: int = 30) -> str:
    """A text nested into itself at @."""
    text = "x"
    for _ in range(depth):
        text = pattern.replace("@", text)
    return text


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9", "9**9**(9**9 + 0*x)", "2**(x + 999999999)*2**(-x)", "((2*x)**9999)**9999", nested("(2*@)**9"),
        "1.0000001**(100000000 + 0*x)", "floor(exp(exp(exp(9))))", "x**" + "9" * 300, "x" + "%3" * 300,
        "+".join(["x"] * 400), "*".join(f"sin({k}*x)" for k in range(1, 80)),
        nested("max(@,2*x)"), nested("abs(@-1)"), nested("sin(@)"),
        nested("where(0<x<1,x,@)"), nested("where(@<1,2,x)"),
    ],
)  # fmt: skip
def test_no_text_takes_for_ever(text: str) -> None:
    """Any text gives a result, or an error of one sentence, in seconds."""
    start = time.process_time()
    for act in (symbolic.expression, lambda t: symbolic.derivative(t, 2), symbolic.lambdify):
        with contextlib.suppress(RelufitError):
            act(text)
    assert time.process_time() - start < 30


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("text", SMOOTH[:-6] + JUMPS + [f"{name}({ARGUMENTS[name]})" for name in FUNCTIONS])
def test_each_library_has_the_same_values(text: str, library: str) -> None:
    """Each library gives the same values, in its own arrays and its own precision."""
    xp = importlib.import_module("jax.numpy" if library == "jax" else library)
    points = POINTS + 0.003  # off the jumps, which rounding to float32 would cross
    x = xp.asarray(points.astype(np.float32 if library == "jax" else np.float64))
    if "1000000" in text:
        return
    y = symbolic.lambdify(text, library)(x)
    assert type(y) is type(x)
    assert y.dtype == x.dtype
    tolerance = 1e-5 if library == "jax" else 1e-12
    np.testing.assert_allclose(np.asarray(y), parse(text)(points), rtol=tolerance, atol=tolerance)


def test_torch_differentiates_what_it_is_given() -> None:
    """Gradients of relu, step and cbrt are found by torch."""
    torch = pytest.importorskip("torch")
    x = torch.tensor([0.25, 0.75], dtype=torch.float64, requires_grad=True)
    symbolic.lambdify("relu(x - 0.5) + step(x)*x**2 + cbrt(x)", "torch")(x).sum().backward()
    wanted = symbolic.derivative("relu(x - 0.5) + x**2 + cbrt(x)")(x.detach().numpy())
    np.testing.assert_allclose(x.grad.numpy(), wanted, rtol=1e-14)


def test_derivatives_keep_their_digits_far_from_0() -> None:
    """Where exp(-x) overflows, or 1 - sigmoid(x) is rounded to 0, derivatives are still right."""
    x = np.array([-800.0, -300, 300, 800])
    target = parse("sigmoid(x)", (-900, 900))
    tail = np.exp(-300.0)
    np.testing.assert_allclose(symbolic.derivative(target)(x), [0, tail, tail, 0], rtol=1e-14)
    np.testing.assert_allclose(symbolic.derivative(target, 2)(x), [0, tail, -tail, 0], rtol=1e-14)
    np.testing.assert_array_equal(symbolic.derivative(parse("gelu(x)", (-900, 900)))(x), [0, 0, 1, 1])


@pytest.mark.parametrize(
    "text", ["where(x > 0.5, x, 0)", "where(0 <= x < 1, x, 2)", "where(x > 0, where(x > 1, 1, 0), 0)"]
)
def test_a_choice_that_jumps_has_no_derivative(text: str) -> None:
    """A condition is a jump unless both branches meet where it changes."""
    with pytest.raises(RelufitError, match="jump"):
        symbolic.derivative(text)


def test_the_zoo_has_expressions() -> None:
    """The zoo's expressions have the values of its functions; resolve keeps them over another domain."""
    for target in ZOO.values():
        x = np.linspace(*target.domain, 101)
        np.testing.assert_allclose(symbolic.lambdify(target)(x), target(x), rtol=1e-13, atol=1e-13)
    assert resolve("sin", (0, 1)).expression == "sin(x)"
    assert resolve("x + 1").expression == "x + 1"


def test_labels_are_latex() -> None:
    """Labels are LaTeX with fractions, roots and Greek letters."""
    assert symbolic.latex("sin(x)/3 + x**2") == r"x^{2} + \frac{\sin{\left(x \right)}}{3}"
    assert symbolic.latex("sqrt(pi*x)") == r"\sqrt{\pi} \sqrt{x}"
    assert symbolic.latex("0.5*x") == r"\frac{x}{2}"


def test_bad_use_is_one_sentence() -> None:
    """A function without an expression, an unknown library and a bad order are one sentence each."""
    for act in (symbolic.expression, symbolic.derivative, symbolic.latex, symbolic.lambdify):
        with pytest.raises(RelufitError, match="without an expression"):
            act(np.sin)
    with pytest.raises(RelufitError, match="unknown library"):
        symbolic.lambdify("x", "pandas")
    for order in (0, 1.5, "2"):
        with pytest.raises(RelufitError, match="order"):
            symbolic.derivative("x", order)  # type: ignore[arg-type]


def test_without_sympy_it_says_what_to_install() -> None:
    """A process that cannot import sympy is told what to install."""
    code = (
        "import sys; sys.modules['sympy'] = None; import relufit.theory as t; print(t.asymptotic_mse('sin', 512).exact)"
    )
    code += "\ntry:\n import relufit.symbolic\nexcept Exception as e:\n print(type(e).__name__, e)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout
    assert out.split("\n")[:2] == ["False", "RelufitError sympy is not installed: pip install relufit[symbolic]"]
