"""From the checked syntax of an expression in x to sympy, in bounded time.

Expressions that relufit.targets.expressions evaluates at once must not hang here, where integers are exact: 9**9**9, or
(2*x)**64 nested. So numbers have the values that numpy gives them, and are exact only if no integer can grow large.
Import relufit.symbolic instead of this module.
"""

import ast
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import sympy

from relufit.errors import RelufitError
from relufit.symbolic import piecewise, smooth
from relufit.targets.expressions import BINARY, CONSTANTS, FUNCTIONS, UNARY, evaluate_tree, left_spine

X = sympy.Symbol("x", real=True)
MAX_BITS = 2048  # bits of an exact number: Python refuses to print an integer of more than 4300 digits
EXACT = 1e9  # numbers beyond this size, or below its inverse, are floats

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(sympy, name) for name in FUNCTIONS if name in {"sin", "cos", "tan", "sinh", "cosh", "tanh"}},
    **{"asin": sympy.asin, "acos": sympy.acos, "atan": sympy.atan, "exp": sympy.exp, "sqrt": sympy.sqrt},
    **{
        "log": sympy.log,
        "log2": lambda u: sympy.log(u) / sympy.log(2),
        "log10": lambda u: sympy.log(u) / sympy.log(10),
    },
    **{own.text: own for own in piecewise.OWN_FUNCTIONS if own.text in FUNCTIONS},
    "relu": lambda u: piecewise.Larger(u, sympy.Integer(0)),
    "erf": sympy.erf,
    **{own.text: own for own in smooth.OWN_FUNCTIONS},
    **{"silu": smooth.silu, "gelu_tanh": smooth.gelu_tanh, "hardswish": piecewise.hardswish},
}


def translate(tree: ast.expr) -> Any:
    """The sympy expression of a tree that `expressions.syntax_tree` has checked, by the functions of piecewise.py.

    Raises RelufitError where a number in it has no finite real value.
    """
    return _build(tree, _bits(tree) <= MAX_BITS)


def _build(tree: ast.expr, exact: bool) -> Any:
    """The sympy expression of a checked tree, built as expressions.evaluate_tree evaluates it."""
    tree, spine = left_spine(tree)
    value: Any
    match tree:
        case ast.Name(id=name):
            value = {"x": X, "pi": sympy.pi, "e": sympy.E}[name]
        case ast.Constant(value=number):
            value = _apply(lambda: _number(number, exact), lambda: evaluate_tree(tree, np.zeros(())))
        case ast.UnaryOp(op=op, operand=operand):
            value = UNARY[type(op)](_build(operand, exact))
        case ast.Call(func=ast.Name(id="where"), args=[ast.Compare() as condition, chosen, otherwise]):
            operands = [_build(part, exact) for part in (condition.left, *condition.comparators)]
            tests = [
                piecewise.COMPARISONS[type(op)](*pair)
                for op, pair in zip(condition.ops, pairwise(operands), strict=True)
            ]
            value = piecewise.Choice(*tests, _build(chosen, exact), _build(otherwise, exact))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            value = _apply(_FUNCTIONS[name], FUNCTIONS[name], *(_build(argument, exact) for argument in arguments))
    for node in reversed(spine):
        operation = BINARY[type(node.op)]
        symbolic = piecewise.Remainder if isinstance(node.op, ast.Mod) else operation
        value = _apply(symbolic, operation, value, _build(node.right, exact))
    return value


def _number(number: Any, exact: bool) -> Any:
    """The exact value of a literal, 3/10 for 0.3, or its float."""
    return sympy.Rational(repr(number)) if exact else sympy.Float(float(number))


def _apply(symbolic: Callable[..., Any], numeric: Callable[..., Any], *arguments: Any) -> Any:
    """symbolic(*arguments); for numbers, the float that numpy computes if it is huge or tiny.

    Raises RelufitError if it is not finite.
    """
    if any(argument.has(X) for argument in arguments):
        return symbolic(*arguments)
    with np.errstate(all="ignore"):
        value = float(numeric(*(np.float64(float(argument)) for argument in arguments)))
    if not np.isfinite(value):
        raise RelufitError("a number in the expression has no finite real value")
    return symbolic(*arguments) if value == 0 or 1 / EXACT <= abs(value) <= EXACT else sympy.Float(value)


def _bits(tree: ast.expr) -> float:
    """A bound on the bits of any exact number that sympy may form in evaluating a tree; inf beyond 1000."""
    tree, spine = left_spine(tree)
    bits = 1.0
    match tree:
        case ast.Constant(value=number):
            bits = 4.0 * len(repr(number))
        case ast.UnaryOp(operand=operand):
            bits = _bits(operand)
        case ast.Call(args=arguments):
            bits = sum(map(_bits, arguments))
        case ast.Compare(left=left, comparators=operands):
            bits = sum(map(_bits, (left, *operands)))
    for node in reversed(spine):
        power = isinstance(node.op, ast.Pow)
        bits = bits * _largest_exponent(node.right) if power else bits + _bits(node.right)
    return bits


def _largest_exponent(tree: ast.expr) -> float:
    """A bound on an exponent: the value of a constant; else a bound from its bits, as x may cancel."""
    if not any(isinstance(node, ast.Name) and node.id not in CONSTANTS for node in ast.walk(tree)):
        with np.errstate(all="ignore"):
            value = abs(float(evaluate_tree(tree, np.zeros(()))))
        return max(value, 1.0) if np.isfinite(value) else float("inf")
    bits = _bits(tree)
    return 2.0**bits if bits < 1000 else float("inf")
