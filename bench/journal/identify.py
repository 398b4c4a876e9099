"""`python -m bench.journal.identify`: the machines of old journals, by the ceilings that they measured.

    python -m bench.journal.identify                  those under results/raw
    python -m bench.journal.identify --results DIR    those under DIR/raw

A journal that records family, model, caches and instruction sets of its processor names its machine by them and is left
alone. Older ones have a marketing name and a number of cores, which different processors share. Of these, runs whose
cores made the same multiply-adds a second, to within 20 %, are taken for one machine: its rate is written into their
first lines and becomes part of its name, and they move to a folder of that name. A journal without measured ceilings
supports nothing more than its name and stays. No measured number is changed; to repeat the command changes nothing.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Iterator
from math import isnan
from pathlib import Path
from statistics import median

from bench.hardware import identity
from bench.journal.reader import read_first_line
from bench.journal.resume import CEILINGS_APART
from bench.journal.writer import RESULTS

FIELD = "multiply_adds_per_second"
CEILING = "multiply_adds_per_second_float32"  # of one core


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, move the journals, and print where each has gone."""
    parser = argparse.ArgumentParser(prog="python -m bench.journal.identify", description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder with raw/ (default: results)")
    for path, rate in machines(parser.parse_args(arguments).results / "raw"):
        print(f"{path} -> {_identify(path, rate)}", file=sys.stderr)


def machines(raw: Path) -> Iterator[tuple[Path, float]]:
    """Each old journal that has ceilings, with the multiply-adds a second of a core of its machine, to two digits."""
    kinds: dict[str, list[tuple[float, Path]]] = {}
    for path in sorted(raw.glob("*/*.jsonl*")):
        header = read_first_line(path)
        machine, rate = header["machine"] | {FIELD: 0}, header["ceilings"]["one_core"][CEILING]
        if not identity.slug(machine, "") and not isnan(rate):
            kinds.setdefault(identity.in_words(machine, ""), []).append((rate, path))
    for found in kinds.values():
        found.sort()
        while found:
            alike = [(rate, path) for rate, path in found if rate <= (1 + CEILINGS_APART) * found[0][0]]
            found = found[len(alike) :]
            own = float(f"{median(rate for rate, _ in alike):.2g}")
            yield from ((path, own) for _, path in alike)


def _identify(path: Path, rate: float) -> Path:
    """Write the rate into the first line of a journal, and move it to the folder of its machine."""
    packed = path.suffix == ".gz"
    content = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    first, end, others = content.partition(b"\n")
    header = json.loads(first)
    header["machine"][FIELD] = rate
    header["machine"]["slug"] = identity.slug(header["machine"], path.parent.name)
    content = json.dumps(header, separators=(",", ":")).encode() + end + others
    new = path.parent.parent / header["machine"]["slug"] / path.name
    new.parent.mkdir(exist_ok=True)
    part = new.with_suffix(".part")
    part.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    part.replace(new)
    if new != path:
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    return new


if __name__ == "__main__":
    main()
