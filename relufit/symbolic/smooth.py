"""Smooth functions of the parser that sympy lacks, as sympy functions. Import relufit.symbolic instead of this module.

Written out by exp, their derivatives would overflow to inf / inf, or lose their digits, far from 0.
"""

from typing import Any

import sympy


class Smooth(sympy.Function):
    """A real function, `text` in the parser; `standard` gives it in sympy's own functions."""

    is_real = True
    text = ""

    @classmethod
    def eval(cls, u: Any) -> Any:
        """Evaluate if the argument is a number; otherwise leave the call as it is."""
        return cls.standard(u) if u.is_number else None

    @staticmethod
    def standard(u: Any) -> Any:
        raise NotImplementedError


class Sigmoid(Smooth):
    """1 / (1 + exp(-u))."""

    text = "sigmoid"

    @staticmethod
    def standard(u: Any) -> Any:
        return 1 / (1 + sympy.exp(-u))

    def fdiff(self, argindex: int = 1) -> Any:
        return Sigmoid(self.args[0]) * Sigmoid(-self.args[0])


class Softplus(Smooth):
    """log(1 + exp(u))."""

    text = "softplus"

    @staticmethod
    def standard(u: Any) -> Any:
        return sympy.log(1 + sympy.exp(u))

    def fdiff(self, argindex: int = 1) -> Any:
        return Sigmoid(self.args[0])


class Gelu(Smooth):
    """u Phi(u), with the distribution function Phi of the standard normal distribution."""

    text = "gelu"

    @staticmethod
    def standard(u: Any) -> Any:
        return u * sympy.erfc(-u / sympy.sqrt(2)) / 2

    def fdiff(self, argindex: int = 1) -> Any:
        u = self.args[0]
        return (1 + sympy.erf(u / sympy.sqrt(2))) / 2 + u * sympy.exp(-(u**2) / 2) / sympy.sqrt(2 * sympy.pi)


OWN_FUNCTIONS = (Sigmoid, Softplus, Gelu)


def silu(u: Any) -> Any:
    """Return u sigmoid(u)."""
    return u * Sigmoid(u)


def gelu_tanh(u: Any) -> Any:
    """Return u (1 + tanh(sqrt(2 / pi) (u + 0.044715 u^3))) / 2."""
    return u * Sigmoid(sympy.sqrt(8 / sympy.pi) * (u + sympy.Rational("0.044715") * u**3))


def to_standard(expression: Any) -> Any:
    """Replace our functions by sympy's own."""
    for own in OWN_FUNCTIONS:
        expression = expression.replace(own, own.standard)
    return expression
