"""The kernels as text: one source from several files, and the sizes that they are compiled for."""

import re
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent
INCLUDE = re.compile(r'^#include "(\w+\.cuh)"\n', flags=re.MULTILINE)
UNITS_PER_THREAD = 4
MOST_THREADS = 512


@lru_cache
def source(name: str) -> str:
    """The text of <name>.cuh with every file that it includes in its place, each once.

    One text, because what compiled it last keeps the result under a hash of the text that it was given.
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
    """Compiler options: the number of units and what follows from it, the optimizer, approximate root and division.

    Those are off by two units in the last place at the most, and IEEE's take a subroutine each.
    """
    constants = {"HIDDEN": hidden, "THREADS": threads_for(hidden), "RULE": rule, "KEEP_HIDDEN": int(keep_hidden)}
    return (*(f"-D{name}={value}" for name, value in constants.items()), "--prec-sqrt=false", "--prec-div=false")
