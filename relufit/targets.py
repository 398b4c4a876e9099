"""What to fit: sin, x^2, a zoo of harder functions, any Python callable, and a safe parser for expressions.

The parser is a whitelist over Python's own `ast`: x, numbers, pi, e, + - * / ** % and a table of functions. All
arithmetic is float64 numpy, never Python integers, so `9**9**9**9` answers at once (with inf).
"""

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from relufit.errors import RelufitError, counted
from relufit.params import DOMAIN, check_domain, check_positive

MAX_CHARACTERS = 1000
MAX_DEPTH = 50
REPEATED = 65  # points at which a callable is evaluated twice
REPEATABLE = 1e-9  # difference allowed for rounding, relative to the largest value
DIFFERENT = 0.1  # share of points that may differ by rounding x across a jump


@dataclass(frozen=True)
class Target:
    """A function to fit over an interval.

    `function` is vectorised: an array of any shape in, real values of the same shape out. `noise` is the standard
    deviation of the normal noise that `sample` adds to it; errors are measured against the function without it.
    `expression` is the text of the function where it has one that `parse` reads: derivatives are taken of it.
    """

    name: str
    function: Callable[[Any], Any]
    domain: tuple[float, float] = DOMAIN
    noise: float = 0.0
    expression: str | None = None

    def __post_init__(self) -> None:
        # A tuple, as a list or an array is not hashable and would not equal another domain.
        object.__setattr__(self, "domain", check_domain(self.domain))
        noise = check_positive(f"the noise of target {self.name!r}", self.noise, or_zero=True)
        object.__setattr__(self, "noise", noise)
        if not callable(self.function):
            raise RelufitError(f"the function of target {self.name!r} cannot be called: {self.function!r}")
        if self.expression is not None:
            syntax_tree(self.expression)

    def __call__(self, x: Any) -> np.ndarray:
        """Evaluate at x (any shape) in float64; same shape out.

        A function of one number (math.sin, or one with an `if`) is called for each. Raises RelufitError where the
        function fails, gives another shape, or values that are not real and finite, and for an x that is not numeric.
        """
        x = self._numbers(x)
        y = self._call(x)
        if y.shape == ():
            y = np.broadcast_to(y, x.shape)  # a callable may return one number for all x
        if y.shape != x.shape:
            raise RelufitError(
                f"{self.name!r} gave shape {y.shape} for an x of shape {x.shape}; it must work elementwise on arrays"
            )
        if y.dtype.kind not in "fiub" or not np.isfinite(y).all():
            finite = np.isfinite(y) if y.dtype.kind in "fc" else np.zeros(y.shape, bool)
            where = f" at x = {x[~finite].flat[0]:.6g}" if not finite.all() else ""
            raise RelufitError(f"{self.name!r} is not a finite real number{where}; choose a domain where it is")
        return y.astype(np.float64)

    def demand_function(self) -> None:
        """Raise RelufitError for a callable that is no function of x: it draws random numbers, counts or takes a mean.

        It is evaluated at a few points of the domain, then again, and at some of them in reverse order. In the last
        case a few values may differ: numpy's loops for long and short arrays round differently, which matters near a
        jump.
        """
        x = np.linspace(*self.domain, REPEATED)
        first, again = self(x), self(x)
        part = slice(REPEATED // 8, REPEATED // 2)  # with another mean, minimum and maximum
        least = REPEATABLE * np.abs(first).max()
        for chosen, found, share, when in (
            (slice(None), again, 0.0, "is called again"),
            (part, self(x[part][::-1])[::-1], DIFFERENT, "is called with other x"),
        ):
            differs = np.abs(found - first[chosen]) > least
            if differs.mean() > share:
                k = int(np.argmax(differs))
                raise RelufitError(
                    f"{self.name!r} is not a function of x: at x = {x[chosen][k]:.6g} it gives {first[chosen][k]:.6g}, "
                    f"and {found[k]:.6g} when it {when}; give a function whose value depends on each x alone, without "
                    "random numbers (`noise` of a Target adds noise)"
                )

    def _numbers(self, x: Any) -> np.ndarray:
        try:
            given = np.asarray(x)
            if given.dtype.kind in "fiubO":
                return given.astype(np.float64, copy=False)
        except (TypeError, ValueError, OverflowError):  # a ragged list, or objects that are no numbers
            pass
        raise RelufitError(f"{self.name!r} is a function of real numbers, not of {x!r:.60}")

    def _call(self, x: np.ndarray) -> np.ndarray:
        try:
            with np.errstate(all="ignore"):
                try:
                    return np.asarray(self.function(x.copy()))  # a copy: the function may write into what it is given
                except (TypeError, ValueError):  # not made for arrays
                    return np.asarray([self.function(float(value)) for value in x.flat]).reshape(x.shape)
        except Exception as error:  # a function of the user's may raise anything
            raise RelufitError(f"{self.name!r} cannot be evaluated: {type(error).__name__}: {error}") from error


def parse(text: str, domain: tuple[float, float] = DOMAIN) -> Target:
    """Parse an expression in x, such as "sin(3*x) + x**2", into a Target over `domain`.

    Allowed: x, numbers, pi, e, + - * / ** %, parentheses and the functions of `FUNCTIONS`; at most 1000 characters,
    nested at most 50 deep (a long sum is not deep). Raises RelufitError for everything else.
    """
    function = Expression(text)
    return Target(function.text, function, domain, expression=function.text)


class Expression:
    """The function of an expression in x. Two of one text are equal, and a pickle holds the text alone."""

    def __init__(self, text: str) -> None:
        self.tree = syntax_tree(text)
        self.text = text.strip()

    def __call__(self, x: Any) -> np.ndarray:
        """Evaluate at x (any shape) in float64; what is not finite is named by whoever needs it finite."""
        x = np.asarray(x, dtype=np.float64)
        with np.errstate(all="ignore"):
            y: np.ndarray = np.zeros_like(x) + evaluate(self.tree, x)  # so that a constant is a function of x
        return y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __reduce__(self) -> tuple[Any, ...]:
        return Expression, (self.text,)


def syntax_tree(text: str) -> ast.expr:
    """The syntax of an expression in x, of which every node is on the whitelist. Raises as `parse` does."""
    if not isinstance(text, str) or not text.strip():
        raise RelufitError(f"an expression in x is a text such as 'sin(3*x) + x**2', not {text!r}")
    if len(text) > MAX_CHARACTERS:
        raise RelufitError(f"the expression has {len(text)} characters; at most {MAX_CHARACTERS} are allowed")
    if _parenthesis_depth(text) > MAX_DEPTH:  # before ast.parse, whose own limits end in MemoryError
        raise RelufitError(f"the expression is nested deeper than {MAX_DEPTH} levels")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RelufitError(f"{_shorten(text)!r} is not an expression in x: {getattr(error, 'msg', error)}") from None
    _check(tree, text.strip())
    return tree


CONSTANTS = {"pi": np.float64(np.pi), "e": np.float64(np.e)}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(np, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "log2", "log10")
    },
    **{"asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sqrt": np.sqrt, "cbrt": np.cbrt},
    **{"abs": np.abs, "sign": np.sign, "floor": np.floor, "ceil": np.ceil, "min": np.minimum, "max": np.maximum},
    **{"relu": lambda x: np.maximum(x, 0.0), "step": lambda x: np.heaviside(x, 1.0)},
}
_TWO_ARGUMENTS = {"min", "max"}


def _power(base: Any, exponent: Any) -> Any:
    """base**exponent; the third and fourth as products, for which numpy's own power takes fifty times as long."""
    if np.ndim(exponent) == 0 and exponent in (3, 4):
        square = base * base
        return square * (base if exponent == 3 else square)
    return base**exponent


BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: _power,
    ast.Mod: operator.mod,
}
UNARY: dict[type, Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


def _known_names() -> str:
    return f"use x, pi, e and functions such as sin(x); named targets are {', '.join(ZOO)}"


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _parenthesis_depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _check(tree: ast.expr, text: str) -> None:
    """Refuse every node that is not on the whitelist, and nesting deeper than MAX_DEPTH, without recursing."""
    pending: list[tuple[ast.expr, int]] = [(tree, 1)]
    while pending:
        node, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise RelufitError(f"the expression is nested deeper than {MAX_DEPTH} levels")
        match node:
            case ast.Name(id=name):
                if name != "x" and name not in CONSTANTS:
                    hint = f"{name} is a function: write {name}(x)" if name in FUNCTIONS else _known_names()
                    raise RelufitError(f"unknown name {_shorten(name)!r} in the expression; {hint}")
            case ast.Constant(value=value):
                if type(value) not in (int, float):
                    raise RelufitError(f"{_shorten(repr(value))} is not a real number")
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                # `a + b + c + ...` leans to the left: its length is not depth, and evaluate walks it in a loop.
                pending += [(left, depth), (right, depth + 1)]
            case ast.BinOp(op=ast.BitXor()):
                raise RelufitError("^ is not a power here; write x**2 instead of x^2")
            case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
                pending.append((operand, depth + 1))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
                wanted = 2 if name in _TWO_ARGUMENTS else 1
                if len(arguments) != wanted:
                    raise RelufitError(f"{name} takes {counted(wanted, 'argument')}, not {len(arguments)}")
                pending += [(argument, depth + 1) for argument in arguments]
            case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
                raise RelufitError(f"{name} takes its arguments without names: write {name}(x)")
            case ast.Call(func=ast.Name(id=name)):
                raise RelufitError(f"unknown function {_shorten(name)!r}; known: {', '.join(FUNCTIONS)}")
            case _:
                part = _shorten(ast.get_source_segment(text, node) or text)
                raise RelufitError(
                    f"{part!r} is not allowed in an expression; use x, numbers, pi, e, + - * / ** % and the functions "
                    + ", ".join(FUNCTIONS)
                )


def left_spine(tree: ast.expr) -> tuple[ast.expr, list[ast.BinOp]]:
    """The leftmost operand and all operations on it, outermost first: so a sum of 400 terms needs no deep stack."""
    spine: list[ast.BinOp] = []
    while isinstance(tree, ast.BinOp):
        spine.append(tree)
        tree = tree.left
    return tree, spine


def evaluate(tree: ast.expr, x: np.ndarray) -> Any:
    """Evaluate a checked tree at x."""
    tree, spine = left_spine(tree)
    value: Any
    match tree:
        case ast.Name(id=name):
            value = x if name == "x" else CONSTANTS[name]
        case ast.Constant(value=number):
            value = _as_float(number)
        case ast.UnaryOp(op=op, operand=operand):
            value = UNARY[type(op)](evaluate(operand, x))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            value = FUNCTIONS[name](*(evaluate(argument, x) for argument in arguments))
    for node in reversed(spine):
        value = BINARY[type(node.op)](value, evaluate(node.right, x))
    return value


def _as_float(number: Any) -> np.float64:
    try:
        return np.float64(number)
    except OverflowError:  # an integer literal of more than 308 digits
        return np.float64("inf")


def _runge(x: Any) -> Any:
    return 1 / (1 + 25 * x * x)


def _step(x: Any) -> Any:
    return np.heaviside(x, 1.0)


def _sines(x: Any) -> Any:
    return np.sin(x) + np.sin(3 * x) / 3 + np.sin(7 * x) / 7


SIN = Target("sin", np.sin, expression="sin(x)")
SQUARE = Target("square", np.square, expression="x**2")
ABS = Target("abs", np.abs, expression="abs(x)")
EXP = Target("exp", np.exp, expression="exp(x)")
RUNGE = Target("runge", _runge, (-1.0, 1.0), expression="1/(1 + 25*x**2)")
STEP = Target("step", _step, expression="step(x)")
NOISY_SINE = Target("noisy_sine", np.sin, noise=0.1, expression="sin(x)")
SINES = Target(
    "sines",
    _sines,
    expression="sin(x) + sin(3*x)/3 + sin(7*x)/7",
)

ZOO = {target.name: target for target in (SIN, SQUARE, ABS, EXP, RUNGE, STEP, NOISY_SINE, SINES)}


def resolve(target: object, domain: tuple[float, float] | None = None) -> Target:
    """Turn a Target, a zoo name, an expression in x or a vectorised callable into a Target over `domain`.

    Without `domain` a Target keeps its own and everything else gets [-2 pi, 2 pi] (zoo entries: theirs).
    Raises RelufitError for anything else, and what `parse` raises.
    """
    if isinstance(target, str):
        found = ZOO.get(target.strip()) or parse(target)
    elif isinstance(target, Target):
        found = target
    elif callable(target):
        found = Target(getattr(target, "__name__", type(target).__name__), target)
    else:
        raise RelufitError(
            f"cannot fit {target!r}: give a Target, one of {', '.join(ZOO)}, an expression or a function"
        )
    found = found if domain is None else replace(found, domain=domain)
    if found.expression is None:
        found.demand_function()
    return found
