"""Equality, hash and repr for NamedTuples and dataclasses that hold arrays."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

LONGEST_VALUE = 80  # characters of a value in a repr of one line
Class = TypeVar("Class", bound=type)


def by_value(cls: Class) -> Class:
    """Class decorator that compares a NamedTuple or dataclass of arrays by value.

    The == that Python generates raises, because == of two arrays gives an array, not a bool. Here two objects are equal
    if they have the same type and equal values; arrays are equal if shapes and elements are. The hash is that of the
    shapes of arrays, and of all other values.
    """

    def equal(one: Any, other: Any) -> bool:
        return type(one) is type(other) and all(map(_are_equal, _values(one), _values(other)))

    def differ(one: Any, other: Any) -> bool:
        return not equal(one, other)

    def hashed(one: Any) -> int:
        return hash(tuple(value.shape if hasattr(value, "shape") else value for value in _values(one)))

    for name, method in {"__eq__": equal, "__ne__": differ, "__hash__": hashed}.items():
        setattr(cls, name, method)
    return cls


def _are_equal(one: Any, other: Any) -> bool:
    if one is other:
        return True
    shapes = [getattr(value, "shape", None) for value in (one, other)]
    if shapes == [None, None]:
        return bool(one == other)
    return shapes[0] == shapes[1] and bool((one == other).all())


def _names(value: Any) -> Sequence[str]:
    return getattr(value, "_fields", None) or [field.name for field in fields(value)]


def _values(value: Any) -> list[Any]:
    return [getattr(value, name) for name in _names(value)]


def one_line(value: Any) -> str:
    """A repr in one line: arrays are shown by dtype and shape, other values by repr, or by type if that is long."""
    parts = [f"{name}={_briefly(part)}" for name, part in zip(_names(value), _values(value), strict=True)]
    return f"{type(value).__name__}({', '.join(parts)})"


def _briefly(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{dtype_name(value)} {tuple(value.shape)}"
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE and "\n" not in text else f"<{type(value).__name__}>"


def dtype_name(array: Any) -> str:
    """The name of an array's dtype, without the prefix that torch gives it."""
    return str(array.dtype).rpartition(".")[2]
