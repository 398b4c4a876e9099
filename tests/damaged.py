"""Damaged journals: real lines, one for each kind of work, rule and status, in which values are others."""

import gzip
import json
from functools import lru_cache
from itertools import cycle
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
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


@st.composite
def damaged(draw: st.DrawFn, lines: list[bytes]) -> bytes:
    """A real line in which one value or two are others."""
    line = draw(st.sampled_from(lines))
    for _ in range(draw(st.integers(1, 2))):
        value = json.loads(line)
        field = draw(st.sampled_from([name for name in value if name not in ("kind", "schema", "run", "at")]))
        place = draw(st.sampled_from([place for place in places(value) if place[0] == field]))
        as_text = isinstance(value[field], str) and draw(st.integers(0, 4)) > 0
        line = changed(line, place, draw(st.sampled_from(TEXTS if as_text else NASTY)))
    return line


@st.composite
def journals(draw: st.DrawFn) -> list[bytes]:
    """The lines of a journal: some real, most of them damaged, some cut off or foreign."""
    heads, cases = real_lines()
    head = draw(st.one_of(st.sampled_from(heads), damaged(heads), st.sampled_from(RUBBISH)))
    cut = st.tuples(st.sampled_from(cases), st.integers(1, 300)).map(lambda drawn: drawn[0][: drawn[1]])
    others = damaged(heads), damaged([LATE]), cut, st.sampled_from(RUBBISH)
    kinds = st.one_of(st.sampled_from(cases), *[damaged(cases)] * 6, *others)
    return [head, *draw(st.lists(kinds, min_size=1, max_size=30))]


def at(line: bytes, place: tuple[Any, ...]) -> Any:
    """The value at this place."""
    value = json.loads(line)
    for key in place:
        value = value[key]
    return value
