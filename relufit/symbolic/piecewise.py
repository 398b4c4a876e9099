"""The parser's functions with kinks and jumps, as sympy functions whose derivatives are functions wherever they can be.

sympy's own Abs, sign, Max and Heaviside fall back to complex parts, to unevaluated derivatives or to DiracDelta (even
for |x|**3, whose second derivative 6 |x| is continuous). These are real, follow the chain rule, and mark a jump by
`Impulse`, which `drop_impulses` removes where its factor vanishes, or where it acts outside the domain. Import
relufit.symbolic instead of this module.
"""

import ast
from collections.abc import Callable
from typing import Any

import sympy

from relufit.errors import RelufitError


class Piecewise(sympy.Function):
    """A real function, `text` in the parser; `standard` gives it in sympy's own functions."""

    is_real = True
    text = ""

    @classmethod
    def eval(cls, *arguments: Any) -> Any:
        """Evaluate if all arguments are numbers; otherwise leave the call as it is."""
        return cls.standard(*arguments) if all(argument.is_number for argument in arguments) else None

    @staticmethod
    def standard(*arguments: Any) -> Any:
        raise NotImplementedError

    def fdiff(self, argindex: int = 1) -> Any:
        raise RelufitError(f"{self.text} jumps wherever it changes: it has no derivative that is a function")


class Absolute(Piecewise):
    """|u|, with |u|' = sign(u)."""

    text, standard = "abs", staticmethod(sympy.Abs)

    def fdiff(self, argindex: int = 1) -> Any:
        return Sign(self.args[0])

    def _eval_power(self, exponent: Any) -> Any:  # sympy asks this by name: |u|**2 is smooth
        return self.args[0] ** exponent if exponent.is_Integer and exponent.is_even else None


class Sign(Piecewise):
    """-1, 0 or 1."""

    text, standard = "sign", staticmethod(sympy.sign)

    def fdiff(self, argindex: int = 1) -> Any:
        return 2 * Impulse(self.args[0])


class Step(Piecewise):
    """1 where u >= 0, else 0."""

    text = "step"

    @staticmethod
    def standard(u: Any) -> Any:
        return sympy.Heaviside(u, 1)

    def fdiff(self, argindex: int = 1) -> Any:
        return Impulse(self.args[0])


class Larger(Piecewise):
    """max(a, b); where both are the same, its derivative is that of a."""

    text = "max"

    @staticmethod
    def standard(a: Any, b: Any) -> Any:
        return sympy.Max(a, b, evaluate=a.is_number and b.is_number)  # evaluated, 45 of them nested take half a minute

    def fdiff(self, argindex: int = 1) -> Any:
        first = Step(self.args[0] - self.args[1])
        return first if argindex == 1 else 1 - first


class Smaller(Piecewise):
    """min(a, b); where both are the same, its derivative is that of b."""

    text = "min"

    @staticmethod
    def standard(a: Any, b: Any) -> Any:
        return sympy.Min(a, b, evaluate=a.is_number and b.is_number)

    def fdiff(self, argindex: int = 1) -> Any:
        second = Step(self.args[0] - self.args[1])
        return second if argindex == 2 else 1 - second


class CubeRoot(Piecewise):
    """The real cube root, negative where u is."""

    text = "cbrt"

    @staticmethod
    def standard(u: Any) -> Any:
        return sympy.sign(u) * sympy.Abs(u) ** sympy.Rational(1, 3)

    def fdiff(self, argindex: int = 1) -> Any:
        return 1 / (3 * CubeRoot(self.args[0]) ** 2)


class Floor(Piecewise):
    """The largest integer up to u."""

    text, standard = "floor", staticmethod(sympy.floor)


class Ceiling(Piecewise):
    """The smallest integer from u on."""

    text, standard = "ceil", staticmethod(sympy.ceiling)


class Remainder(Piecewise):
    """a - b floor(a/b): the sign is that of b, as in Python."""

    text, standard = "%", staticmethod(sympy.Mod)


class Comparison(Piecewise):
    """1 where a relation, `text`, holds between a and b, else 0; a condition of `Choice`."""

    relation: Any = None  # sympy's
    jumps = 0  # the sign of its step as a - b passes 0 upwards

    @classmethod
    def standard(cls, a: Any, b: Any) -> Any:
        return sympy.Integer(bool(cls.relation(a, b)))

    def jump(self, x: Any) -> Any:
        """The derivative with respect to x. A relation that holds, or fails, at single points has the derivative 0."""
        gap = self.args[0] - self.args[1]
        return self.jumps * Impulse(gap) * gap.diff(x)


class Below(Comparison):
    """a < b."""

    text, relation, jumps = "<", sympy.Lt, -1


class AtMost(Comparison):
    """a <= b."""

    text, relation, jumps = "<=", sympy.Le, -1


class Above(Comparison):
    """a > b."""

    text, relation, jumps = ">", sympy.Gt, 1


class AtLeast(Comparison):
    """a >= b."""

    text, relation, jumps = ">=", sympy.Ge, 1


class Equal(Comparison):
    """a == b."""

    text, relation = "==", sympy.Eq


class Unequal(Comparison):
    """a != b."""

    text, relation = "!=", sympy.Ne


COMPARISONS = {
    ast.Lt: Below, ast.LtE: AtMost, ast.Gt: Above, ast.GtE: AtLeast, ast.Eq: Equal, ast.NotEq: Unequal,
}  # fmt: skip


class Choice(Piecewise):
    """Choice(test, ..., a, b): a where every test, a Comparison or its value, is 1; else b."""

    text = "where"

    @classmethod
    def eval(cls, *arguments: Any) -> Any:
        """Leave out tests that are known, and the choice where they decide it or both values are the same."""
        *tests, chosen, otherwise = arguments
        open_ = [test for test in tests if not test.is_Number]
        if 0 in tests or chosen == otherwise:
            return otherwise
        if not open_:
            return chosen
        return cls(*open_, chosen, otherwise) if len(open_) < len(tests) else None

    @staticmethod
    def standard(*arguments: Any) -> Any:
        *tests, chosen, otherwise = arguments
        return sympy.Piecewise((chosen, sympy.And(*(test.relation(*test.args) for test in tests))), (otherwise, True))

    def _eval_derivative(self, x: Any) -> Any:  # sympy asks this by name; its chain rule would multiply nan by 0
        *tests, chosen, otherwise = self.args
        slopes = Choice(*tests, chosen.diff(x), otherwise.diff(x))
        jumps = [sympy.Mul(*tests[:k], test.jump(x), *tests[k + 1 :]) for k, test in enumerate(tests)]
        return slopes + (chosen - otherwise) * sympy.Add(*jumps)


class Impulse(sympy.Function):
    """Dirac's delta of u. Unlike sympy's, it is never simplified, so that its factor can be inspected."""


OWN_FUNCTIONS = (Choice, Absolute, Sign, Step, Larger, Smaller, CubeRoot, Floor, Ceiling, Remainder)


def hardswish(u: Any) -> Any:
    """Return u min(max(u + 3, 0), 6) / 6."""
    return u * Smaller(Larger(u + 3, sympy.Integer(0)), sympy.Integer(6)) / 6


def to_own(expression: Any) -> Any:
    """Replace sympy's Abs and sign, which its simplifications introduce: sqrt(x**2) becomes Abs(x)."""
    return expression.replace(sympy.Abs, Absolute).replace(sympy.sign, Sign)


def to_standard(expression: Any) -> Any:
    """Replace our functions by sympy's own."""
    for own in OWN_FUNCTIONS:
        expression = expression.replace(own, own.standard)
    return expression


def drop_impulses(expression: Any, x: Any, is_never_zero: Callable[[Any], bool]) -> Any:
    """Remove every Impulse that never acts, or whose factor is 0 where it acts. Raises RelufitError if one is left.

    `is_never_zero` says whether an expression in x has no zero on the domain. A derivative is linear in the impulses of
    its jumps, so the factor of an impulse is the derivative with respect to it.
    """
    for impulse in expression.atoms(Impulse):
        size = sympy.Dummy()
        expression = expression.xreplace({impulse: size})
        u = impulse.args[0]
        if not _vanishes(expression.diff(size), u, x) and not is_never_zero(u):
            raise RelufitError(f"it jumps where {str(to_standard(u))[:60]} = 0, and a jump has no derivative")
        expression = expression.xreplace({size: sympy.Integer(0)})
    return expression


def _vanishes(factor: Any, u: Any, x: Any) -> bool:
    """Whether a factor is 0 on both sides of u = 0, whatever values those of its jumps take that are there too."""
    slope = u.diff(x)
    place = x - u / slope if slope.is_number and slope != 0 else None
    for jump in factor.atoms(Sign, Step, Comparison):
        gap = jump.args[0] if len(jump.args) == 1 else jump.args[0] - jump.args[1]
        if place is None or gap.subs(x, place).is_zero is not False:
            factor = factor.xreplace({jump: sympy.Dummy(real=True)})
    return bool(factor.subs(u, 0).is_zero or (place is not None and factor.subs(x, place).is_zero))
