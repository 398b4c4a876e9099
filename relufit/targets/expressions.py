"""A safe parser for expressions in x: a whitelist over Python's own `ast`.

Allowed are x, numbers, pi, e, + - * / ** %, a table of functions, and comparisons as the condition of `where`. All
arithmetic is float64 numpy, never Python integers, so `9**9**9**9` answers at once (with inf).
"""

import ast
import operator
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np

from relufit.errors import RelufitError, counted
from relufit.targets import activations

MAX_CHARACTERS = 1000
MAX_DEPTH = 50


class UnknownName(RelufitError):
    """An expression holds `name`, which is neither x nor a constant."""

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        self.name = name
        super().__init__(
            f"unknown name {_shorten(name)!r} in the expression{nearest(name, (*FUNCTIONS, *CONSTANTS, *known))}; "
            "use x, pi, e and functions such as sin(x)"
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like an unknown one, in parentheses; "" if none is like it."""
    found = get_close_matches(name.lower(), list(known), n=1)
    return f" (did you mean {found[0]}?)" if found else ""


class Expression:
    """The function of an expression in x. Expressions of equal text are equal; a pickle holds only the text."""

    def __init__(self, text: str) -> None:
        self.tree = syntax_tree(text)
        self.text = text.strip()

    def __call__(self, x: Any) -> np.ndarray:
        """Evaluate at x (any shape) in float64; values may be nan or inf."""
        x = np.asarray(x, dtype=np.float64)
        with np.errstate(all="ignore"):
            y: np.ndarray = np.zeros_like(x) + evaluate_tree(self.tree, x)  # so that a constant is a function of x
        return y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __reduce__(self) -> tuple[Any, ...]:
        return Expression, (self.text,)


def syntax_tree(text: str) -> ast.expr:
    """The syntax tree of an expression in x; every node is on the whitelist. Raises RelufitError otherwise."""
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
    **{
        name: getattr(activations, name)
        for name in ("erf", "sigmoid", "softplus", "gelu", "gelu_tanh", "silu", "hardswish")
    },
    "where": np.where,
}
ARGUMENTS = dict.fromkeys(FUNCTIONS, "x") | {"min": "x, 1", "max": "x, 1", "where": "x > 0, x, -x"}  # an example
COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def _power(base: Any, exponent: Any) -> Any:
    """base**exponent; third and fourth powers as products, which are fifty times faster than numpy's power."""
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
                if name in FUNCTIONS:
                    raise RelufitError(f"{name} is a function: write {name}({ARGUMENTS[name]})")
                if name != "x" and name not in CONSTANTS:
                    raise UnknownName(name)
            case ast.Constant(value=value):
                if type(value) not in (int, float):
                    raise RelufitError(f"{_shorten(repr(value))} is not a real number")
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                # `a + b + c + ...` nests on the left. That is not counted as depth, because evaluate loops over it.
                pending += [(left, depth), (right, depth + 1)]
            case ast.BinOp(op=ast.BitXor()):
                raise RelufitError("^ is not a power here; write x**2 instead of x^2")
            case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
                pending.append((operand, depth + 1))
            case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
                pending += [(argument, depth + 1) for argument in _arguments(name, node)]
            case ast.Call(func=ast.Name(id=name)):
                raise RelufitError(
                    f"unknown function {_shorten(name)!r}{nearest(name, FUNCTIONS)}; known: {', '.join(FUNCTIONS)}"
                )
            case ast.Compare():
                raise RelufitError("a comparison is the condition of where, as in where(x > 0, x, -x)")
            case _:
                part = _shorten(ast.get_source_segment(text, node) or text)
                raise RelufitError(
                    f"{part!r} is not allowed in an expression; use x, numbers, pi, e, + - * / ** % and the functions "
                    + ", ".join(FUNCTIONS)
                )


def _arguments(name: str, call: ast.Call) -> list[ast.expr]:
    """The arguments of a call of a known function, and the operands of its condition, to be checked further."""
    arguments, wanted = call.args, ARGUMENTS[name].count(",") + 1
    if call.keywords:
        raise RelufitError(f"{name} takes its arguments without names: write {name}({ARGUMENTS[name]})")
    if len(arguments) != wanted:
        raise RelufitError(f"{name} takes {counted(wanted, 'argument')}, not {len(arguments)}")
    if name != "where":
        return arguments
    condition = arguments[0]
    if not isinstance(condition, ast.Compare) or not all(type(op) in COMPARISONS for op in condition.ops):
        raise RelufitError("the condition of where is a comparison: < <= > >= == or !=, as in where(0 < x <= 1, x, 0)")
    operands = [condition.left, *condition.comparators]
    if any(isinstance(part, ast.Compare) for middle in operands[1:-1] for part in ast.walk(middle)):
        raise RelufitError("between two comparisons, as in 0 < x < 1, there may be no further where")
    return [*operands, *arguments[1:]]


def left_spine(tree: ast.expr) -> tuple[ast.expr, list[ast.BinOp]]:
    """The leftmost operand and all operations on it, outermost first: so a sum of 400 terms needs no deep stack."""
    spine: list[ast.BinOp] = []
    while isinstance(tree, ast.BinOp):
        spine.append(tree)
        tree = tree.left
    return tree, spine


def evaluate_tree(tree: ast.expr, x: np.ndarray) -> Any:
    """Evaluate a checked tree at x."""
    tree, spine = left_spine(tree)
    value: Any
    match tree:
        case ast.Name(id=name):
            value = x if name == "x" else CONSTANTS[name]
        case ast.Constant(value=number):
            value = _as_float(number)
        case ast.UnaryOp(op=op, operand=operand):
            value = UNARY[type(op)](evaluate_tree(operand, x))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            value = FUNCTIONS[name](*(evaluate_tree(argument, x) for argument in arguments))
        case ast.Compare(left=left, ops=ops, comparators=rest):
            values = pairwise(evaluate_tree(operand, x) for operand in (left, *rest))
            parts = (COMPARISONS[type(op)](*pair) for op, pair in zip(ops, values, strict=True))
            value = reduce(np.logical_and, parts)
    for node in reversed(spine):
        value = BINARY[type(node.op)](value, evaluate_tree(node.right, x))
    return value


def _as_float(number: Any) -> np.float64:
    try:
        return np.float64(number)
    except OverflowError:  # an integer literal of more than 308 digits
        return np.float64("inf")
