"""Targets as sympy expressions: exact derivatives, LaTeX labels, and one expression for several array libraries.

Text never reaches sympy's own parser, which evaluates it as Python. translation.py translates the syntax tree that
relufit.targets.expressions has checked, node by node, to sympy's functions and to our own: those with kinks and jumps
(piecewise.py), and smooth ones that sympy lacks (smooth.py).
Needs `pip install relufit[symbolic]`; nothing imports this package before it is used.
"""

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, reduce
from importlib import import_module
from itertools import islice
from typing import Any

import numpy as np

from relufit.errors import RelufitError, check_count
from relufit.targets import Target, resolve
from relufit.targets.expressions import COMPARISONS, MAX_CHARACTERS, syntax_tree

try:
    import sympy
    from sympy.printing.str import StrPrinter
except ImportError:
    raise RelufitError("sympy is not installed: pip install relufit[symbolic]") from None

from relufit.symbolic import piecewise, smooth
from relufit.symbolic.translation import X, translate

MODULES = {"numpy": "numpy", "torch": "torch", "jax": "jax.numpy", "cupy": "cupy"}
SPECIAL = {  # where a library has erf, expit and ndtr
    "numpy": "scipy.special", "torch": "torch.special", "jax": "jax.scipy.special", "cupy": "cupyx.scipy.special",
}  # fmt: skip
PLACES = 4097  # points of a domain at which zeros are searched for
MAX_PARTS = 2000  # parts of an expression to differentiate: the derivative may have the square of their number


def expression(target: object) -> sympy.Expr:
    """A target as a sympy expression in the real symbol x: a zoo name, an expression, or a Target that has one.

    Raises RelufitError for a function without an expression, for text that `targets.parse` refuses, and for expressions
    without a real, finite value, such as sqrt(-x**2) or 1/0.
    """
    with _one_sentence("express"):
        return smooth.to_standard(piecewise.to_standard(_own_expression(target)))


def derivative(target: object, order: int = 1) -> Target:
    """The exact derivative of that order, as a Target over the same domain, without noise.

    At a kink it takes the value of one side, or one between: sign(x) for |x|. Outside the domain it may leave out
    jumps. Raises RelufitError if the target jumps inside the domain, if the derivative is not real, and as `expression`
    does. The Target raises RelufitError where it is evaluated and not finite.
    """
    order = check_count("order", order)
    found = resolve(target)
    with _one_sentence("differentiate"):
        result = _own_expression(found)
        for _ in range(order):
            _check_parts(result)
            try:
                outside = partial(_is_never_zero, domain=found.domain)
                result = piecewise.to_own(piecewise.drop_impulses(result.diff(X), X, outside))
            except RelufitError as error:
                raise RelufitError(f"{found.name[:60]!r} has no derivative of order {order}: {error}") from None
        _check_real(result)
        prefix = "d/dx" if order == 1 else f"d^{order}/dx^{order}"
        return Target(f"{prefix} ({found.name})", _compile(result, "numpy"), found.domain, 0.0, _as_text(result))


def latex(target: object) -> str:
    """A target as LaTeX, for a label, without dollar signs. Raises what `expression` raises."""
    found = expression(target)
    with _one_sentence("typeset"):
        return str(sympy.latex(found))


def lambdify(target: object, library: str = "numpy") -> Callable[[Any], Any]:
    """A target as a function of floating-point arrays of numpy, torch, jax or cupy: same shape out.

    torch and jax can differentiate and compile it. Raises RelufitError for another library, one that is not installed,
    and what `expression` raises.
    """
    with _one_sentence("compile"):
        return _compile(_own_expression(target), library)


@contextmanager
def _one_sentence(verb: str) -> Iterator[None]:
    """Turn the errors that sympy raises for expressions that it cannot handle into RelufitError."""
    try:
        yield
    except (ArithmeticError, MemoryError, NotImplementedError, RecursionError, SyntaxError, TypeError, ValueError) as e:
        raise RelufitError(f"sympy cannot {verb} this expression: {type(e).__name__}: {e}"[:300]) from None


def _own_expression(target: object) -> Any:
    """The expression of a target by the functions of piecewise.py."""
    found = resolve(target)
    if found.expression is None:
        raise RelufitError(f"{found.name!r} is a function without an expression in x; give it as a text")
    return _check_real(piecewise.to_own(translate(syntax_tree(found.expression))))


def _is_never_zero(u: Any, domain: tuple[float, float]) -> bool:
    """Whether u has no zero on the domain, as far as PLACES points show: |u| exceeds its change to the next point."""
    values = _compile(u, "numpy")(np.linspace(*domain, PLACES))
    change, size = np.abs(np.diff(values)), np.abs(values)
    return bool(np.isfinite(values).all() and (np.minimum(size[:-1], size[1:]) > change).all())


def _check_parts(found: Any) -> None:
    """Raise RelufitError for an expression so large that its derivative would take minutes."""
    if sum(1 for _ in islice(sympy.preorder_traversal(found), MAX_PARTS + 1)) > MAX_PARTS:
        raise RelufitError(f"an expression of more than {MAX_PARTS} parts is too large to differentiate")


def _check_real(found: Any) -> Any:
    if found.has(sympy.I, sympy.zoo, sympy.nan, sympy.oo, -sympy.oo):
        raise RelufitError(f"{str(found)[:60]!r} is not a finite real function of x")
    return found


def _compile(found: Any, library: str) -> Callable[[Any], Any]:
    if library not in MODULES:
        raise RelufitError(f"unknown library {library!r}; choose one of {', '.join(MODULES)}")
    try:
        xp, special = import_module(MODULES[library]), import_module(SPECIAL[library])
    except ImportError:
        raise RelufitError(f"{library} is not installed: see the extras of relufit") from None
    plain = found.replace(_is_irrational_or_long, lambda number: number.evalf(17))
    function = sympy.lambdify(X, plain, modules=[_names_in(xp, special)], cse=True)
    if not plain.has(X):
        value = float(plain)
        return lambda x: xp.zeros_like(x) + value
    return _in_float64(function) if library == "numpy" else function


def _is_irrational_or_long(part: Any) -> bool:
    """Whether a number must become a float: torch.sqrt takes no numbers, and 64-bit integers overflow."""
    if part.is_Integer:
        return bool(abs(part) >= 2**31)
    return bool(part.is_number and not part.is_Rational and not part.is_Float)


def _in_float64(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def evaluate_silently(x: Any) -> Any:
        with np.errstate(all="ignore"):  # the Target raises an error for values that are not finite
            return function(np.asarray(x, dtype=np.float64))

    return evaluate_silently


def _names_in(xp: Any, special: Any) -> dict[str, Callable[..., Any]]:
    """The functions of a library under the names that sympy's Python printer, piecewise.py and smooth.py use.

    sympy has a printer for each library, but those of torch and jax know no functions other than sympy's.
    """
    names = {name: name for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "sqrt")}
    names |= {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
    names |= {"Absolute": "abs", "Sign": "sign", "Floor": "floor", "Ceiling": "ceil"}
    if xp.__name__ != "torch":
        names |= {"Larger": "maximum", "Smaller": "minimum", "CubeRoot": "cbrt", "Remainder": "mod"}
    found = {name: getattr(xp, verb) for name, verb in names.items()}
    found |= {"erf": special.erf, "Sigmoid": special.expit, "Gelu": lambda u: u * special.ndtr(u)}
    found |= {"Softplus": lambda u: xp.logaddexp(u, xp.zeros_like(u)), "Choice": partial(_choose, xp)}
    found |= {own.__name__: partial(_compare, xp, COMPARISONS[op]) for op, own in piecewise.COMPARISONS.items()}
    return found | (_torch_names(xp) if xp.__name__ == "torch" else {"Step": lambda u: xp.heaviside(u, 1.0)})


def _compare(xp: Any, relation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """1 where a relation holds, else 0, in the precision of a and b."""
    return relation(a, b) * xp.ones_like(a - b)


def _choose(xp: Any, *arguments: Any) -> Any:
    """The values of one branch where every test is 1, else of the other; a branch may be a number."""
    *tests, chosen, otherwise = arguments
    test = reduce(operator.mul, tests)
    return xp.where(test != 0, chosen + 0 * test, otherwise + 0 * test)


def _torch_names(torch: Any) -> dict[str, Callable[..., Any]]:
    def clamp(side: str) -> Callable[[Any, Any], Any]:
        # torch.maximum takes no numbers, and a tensor of one would be float32.
        return lambda a, b: torch.clamp(a, **{side: b}) if torch.is_tensor(a) else torch.clamp(b, **{side: a})

    return {
        "Larger": clamp("min"),
        "Smaller": clamp("max"),
        "CubeRoot": lambda u: torch.sign(u) * torch.abs(u) ** (1 / 3),
        "Remainder": torch.remainder,
        "Step": lambda u: (u >= 0).to(u.dtype),  # torch.heaviside has no gradient
    }


class _TextPrinter(StrPrinter):
    """Prints an expression as text that targets.parse reads."""

    def _print_Function(self, found: Any) -> str:  # noqa: N802  # sympy's name
        name = getattr(found, "text", None) or found.func.__name__
        arguments = [self._print(argument) for argument in found.args]
        return f"(({arguments[0]}) % ({arguments[1]}))" if name == "%" else f"{name}({', '.join(arguments)})"

    def _print_Choice(self, found: Any) -> str:  # noqa: N802  # sympy's name
        *tests, chosen, otherwise = found.args
        operands = (f" {test.text} ({self._print(test.args[1])})" for test in tests)
        condition = f"({self._print(tests[0].args[0])})" + "".join(operands)
        return f"where({condition}, {self._print(chosen)}, {self._print(otherwise)})"

    def _print_Exp1(self, found: Any) -> str:  # noqa: N802  # sympy's name
        return "e"


def _as_text(found: Any) -> str | None:
    """The expression as text for targets.parse, so that a derivative can be differentiated; None if it is too long."""
    text = _TextPrinter({"full_prec": False}).doprint(found)
    try:
        syntax_tree(text)
    except RelufitError:
        return None
    return text if len(text) <= MAX_CHARACTERS else None
