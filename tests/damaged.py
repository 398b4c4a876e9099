"""Lines of real journals, nasty values for any of their fields, and journals of hostile texts and extreme numbers."""

import gzip
import json
from functools import lru_cache
from itertools import cycle
from pathlib import Path
from typing import Any

from journals import followed, solved, spline

from bench.grid.sweep import Sweep
from bench.journal.schema import ENTRIES

RAW = Path(__file__).resolve().parents[1] / "results" / "raw"
ASKED = Sweep("numpy", "torch-cpu", "batch", 512, 1, 65536)
LATE = b'{"kind":"backend","backend":"cupy","reason":"no driver","facts":{"threads":"1"}}'
BACKENDS = ("numpy", "torch-cpu", "cupy")  # of the many in a real first line: two that ran, and one that could not
TEXTS = [
    "", "x", "nan", "-inf", "1e999", "800", "OK", "hinge", "<script>alert(1)</script>", "<img src=x onerror=y>",
    "<!-- ", "a|b`c`", "**b** _i_ ~~s~~", "![p](http://a.b/c.png)", "[l](javascript:x)", "&lt;b&gt;", "$\\frac$", "$x$",
    "\x1b[31mred\x1b[0m", "\x9b2J", "\x00", "a\nb\r\n# c", "\u202egnp", "\ud800", "=1+cmd|'/c calc'!A0", "+1", "-1",
    "@SUM(1)", "\t=1", "[/red]", "[red]x", "_x", "数🙂", "\\", "\\input{x}", "%", "../../x", "a" * 250, "a" * 5000,
]  # fmt: skip
NUMBERS = [
    0, -1, 1, 7, 2**53, 10**400, -(10**400), 0.5, -0.0, 5e-324, 1e-300, 1e17, 1e300, 1.7e308,
    float("nan"), float("inf"), -float("inf"),
]  # fmt: skip
DEEP = json.loads("[" * 400 + "]" * 400)
NASTY: list[Any] = [
    None, True, False, *NUMBERS, *TEXTS, [], {}, [[]], [None], [0.0], [1.0], [float("nan")], [float("inf")],
    [1e300, 1e-300], [-1.0, 2.0], [True], ["nan"], ["x"], DEEP, list(range(1, 3000)), {"a": 1}, {"": None},
    {"<b>": "<i>"}, {"\x1b[1m": "x"}, {"name": "x"}, [{"name": "<b>"}], [{"name": 3}],
    {"w1": {"error": 1.0, "bound": "inf", "share": "nan"}}, {"numpy": {"reason": "<b>", "facts": {"tf32": "<b>"}}},
    {str(number): "x" for number in range(ENTRIES + 1)},
]  # fmt: skip
RUBBISH = [
    b"", b"{", b"null", b"3", b"[1,2]", b'{"kind":"other"}', b'{"kind":"case"}', b'{"kind":"run"}',
    b'{"kind":["case"]}', b"\xff\xfe\x00", b"\x00" * 50, b"[" * 100_000, b'{"a":' * 5_000, b"\xef\xbb\xbf{}",
    b'"\\ud800"', b"\x1b[31mred",
]  # fmt: skip


@lru_cache(maxsize=1)
def real_lines() -> tuple[list[bytes], list[bytes]]:
    """First lines of real journals, and lines of cases with all fields that a line may have; of lists the beginning."""
    heads: list[dict[str, Any]] = []
    cases: dict[tuple[str, ...], dict[str, Any]] = {}
    for path in sorted(RAW.glob("*/*")):
        content = path.read_bytes()
        head, *lines = map(json.loads, (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines())
        if not head["backends"].keys() >= set(BACKENDS):
            continue
        heads.append({**head, "backends": {name: head["backends"][name] for name in BACKENDS}})
        for case in (line for line in lines if line["kind"] == "case"):
            cases.setdefault((case["work"], case["status"], case.get("optimizer", "")), case)
    cases.setdefault(("trajectory",), followed())
    for solving in (spline(), solved(), solved("sgd", status="DIVERGED", reason="the loss was nan")):
        cases[solving["work"], solving["status"], solving["optimizer"]] = solving
    heads.append({**heads[0], "settings": {**heads[0]["settings"], "crossover": ASKED.settings()}})
    seen = {"reason": None, "device_seconds": None, "kernels_per_step": None, "networks": 1,
            "gpu": {"watts": 120.5, "sm_mhz": 1980, "throttled": "software power cap"}}  # fmt: skip
    short = [
        {
            **seen,
            **{name: found[:8] if isinstance(found, list) else found for name, found in case.items()},
            "backend": name,
        }
        for case, name in zip(cases.values(), cycle(BACKENDS[:2]), strict=False)
    ]
    return [json.dumps(head).encode() for head in heads], [json.dumps(case).encode() for case in short]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where values stand in a line, at every depth; of a list the last place stands for all."""
    inner = list(value.items()) if isinstance(value, dict) else []
    if isinstance(value, list) and value:
        inner = [(len(value) - 1, value[-1])]
    return [place for key, item in inner for place in [(*path, key), *places(item, (*path, key))]]


def changed(line: bytes, place: tuple[Any, ...], value: Any) -> bytes:
    """The line with another value at this place."""
    whole = holder = json.loads(line)
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return json.dumps(whole).encode()


def at(line: bytes, place: tuple[Any, ...]) -> Any:
    """The value at this place."""
    value = json.loads(line)
    for key in place:
        value = value[key]
    return value


def hostile_lines() -> list[bytes]:
    """A journal with each hostile text in each field that may hold a text."""
    heads, cases = real_lines()
    fields = ("backend", "reason", "status", "optimizer", "target", "dtype", "work", "scheme", "algorithm", "order")
    each = zip([(field, text) for text in TEXTS for field in fields], cycle(cases), strict=False)
    head = json.loads(heads[0])
    head["machine"] |= {"cpu": "".join(TEXTS), "packages": dict.fromkeys(("numpy", "torch"), "<b>\x1b[0m")}
    head["backends"] |= {text: {"reason": text, "facts": {"tf32": text}} for text in TEXTS[::3]}
    return [json.dumps(head).encode(), *cases, *(changed(case, (field,), text) for (field, text), case in each)]


def extreme_lines() -> list[bytes]:
    """A journal with each extreme number in each place of a case that holds a number."""
    heads, cases = real_lines()
    lines = [line for line in cases if json.loads(line)["status"] == "OK"]
    for work in ("gradient", "convergence", "trajectory", "scaling", "ensemble", "memory", "solving"):
        line = next((line for line in lines if json.loads(line)["work"] == work), lines[0])
        numbers = [place for place in places(json.loads(line)) if place[0] not in ("at", "schema", "gpu")]
        for number, place in enumerate(place for place in numbers if type(at(line, place)) in (int, float)):
            for value in NUMBERS:
                lines.append(changed(changed(line, place, value), ("backend",), f"b{number % 7}"))
    return [heads[0], *lines]
