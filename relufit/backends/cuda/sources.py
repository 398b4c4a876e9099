"""The source text of the kernels, joined from several files, and the compiler options for given sizes."""

import re
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent
INCLUDE = re.compile(r'^#include "(\w+\.cuh)"\n', flags=re.MULTILINE)
UNITS_PER_THREAD = 4
MOST_THREADS = 512


@lru_cache
def source(name: str) -> str:
    """The text of <name>.cuh, with the text of every included file in place of its first #include.

    One text, because compilers cache their result under a hash of the text.
    """
    seen: set[str] = set()

    def expand(file: str) -> str:
        if file in seen:
            return ""
        seen.add(file)
        text = (FOLDER / file).read_text(encoding="utf-8").replace("#pragma once\n", "")
        return INCLUDE.sub(lambda found: expand(found[1]), text)

    return expand(f"{name}.cuh")


def threads_for(hidden: int) -> int:
    """Threads of a block that holds `hidden` units: whole warps with UNITS_PER_THREAD units a thread."""
    warps = -(-hidden // (32 * UNITS_PER_THREAD))
    return min(MOST_THREADS, 32 * warps)


def sizes(hidden: int, rule: int = 0, *, keep_hidden: bool = True) -> tuple[str, ...]:
    """Compiler options: the number of units and sizes that depend on it, the optimizer, approximate root and division.

    These are off by at most two units in the last place; the IEEE versions call a subroutine each.
    """
    constants = {"HIDDEN": hidden, "THREADS": threads_for(hidden), "RULE": rule, "KEEP_HIDDEN": int(keep_hidden)}
    return (*(f"-D{name}={value}" for name, value in constants.items()), "--prec-sqrt=false", "--prec-div=false")
