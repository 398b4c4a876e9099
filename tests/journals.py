"""Journals that tests of reading and reporting write, line by line; runs of them, and what a report made of them."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.frames import Run, read
from bench.grid.case import Case

MACHINE = {"slug": "a-machine", "cpu": "A CPU", "cores": 2, "gpus": []}
HEADER = {
    "machine": MACHINE,
    "settings": {"profile": "quick", "threads": None},
    "backends": {"numpy": {"reason": None, "facts": {}}, "cupy": {"reason": "no driver", "facts": {}}},
}
CURVE = np.sin(np.linspace(-6, 6, 201)).tolist()


def line(backend: str = "numpy", **changes: Any) -> dict[str, Any]:
    """A finished case."""
    usual = {
        "kind": "case", "backend": backend, "status": "OK", "reason": None, "seconds": [1e-3, 2e-3], "iterations": 3,
        "steps": 1, "order": "shared", "device": "cpu", "agreement": {"w1": {"error": 1.0, "bound": 2.0, "share": 0.5}},
    }  # fmt: skip
    return {**usual, **asdict(Case("gradient", 800)), **changes}


def write(path: Path, *lines: Any, **header: Any) -> Path:
    """A journal of these lines, after a first line that describes the run, with what of it is unusual."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [
        text if isinstance(text, str) else json.dumps(text) for text in ({"kind": "run", **HEADER, **header}, *lines)
    ]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8", errors="surrogatepass")
    return path


def make(tmp_path: Path, *lines: dict[str, Any]) -> Run:
    """A run with these cases."""
    return read(write(tmp_path / "raw" / "m" / "r.jsonl", *lines))


def followed(backend: str = "numpy", **changes: Any) -> dict[str, Any]:
    """A trajectory: signs differ first after 50 steps, the run has parted after 75."""
    usual = {
        "work": "trajectory", "batch": 32, "optimizer": "adam", "epochs": 4, "seconds": None, "iterations": None,
        "agreement": {"w2 after 9 steps": {"error": 1e-9, "bound": 5e-9, "share": 0.2},
                      "b2 after 0 steps": {"error": 1e-9, "bound": 1e-8, "share": 0.1}},
        "step": [25, 50, 75, 100], "distance": [1e-5, 2.5e-4, 1.5e-3, 0.125], "flips": [0, 2, 57, 801],
        "pairs": 409_600,
    }  # fmt: skip
    return line(backend, **{**usual, **changes})


def learned(**changes: Any) -> dict[str, Any]:
    """A convergence case."""
    usual = {
        "work": "convergence", "optimizer": "adam", "seconds": None, "step": [25, 50, 75],
        "train_seconds": [0.5, 1.0, 1.5], "loss": [1.0, 0.1, 0.01], "test_mse": [1.0, 5e-3, 2e-2], "curve": [0.0],
    }  # fmt: skip
    return line(**{**usual, **changes})


def solved(solver: str = "adam", backend: str = "numpy", **changes: Any) -> dict[str, Any]:
    """A solver that has reached 1e-4 after 2 s and 200 steps, and ended a little above its best."""
    usual = {
        "work": "solving", "batch": 32, "optimizer": solver, "seconds": [4.0], "iterations": 1, "steps": 1,
        "step": [0, 100, 200, 400], "train_seconds": [0.0, 1.0, 2.0, 4.0], "mse": [0.5, 1e-2, 5e-5, 8e-5],
        "max_error": [2.0, 0.3, 0.05, 0.06], "asymptotic_mse": 1.6e-10, "budget_seconds": 4.0,
    }  # fmt: skip
    return line(backend, **{**usual, **changes})


def spline(mse: float = 2e-10, **changes: Any) -> dict[str, Any]:
    """One call of 50 ms."""
    usual = {
        "batch": 800, "dtype": "float64", "algorithm": "numpy alone", "seconds": [0.04, 0.05, 0.06], "step": [0],
        "train_seconds": [0.05], "mse": [mse], "max_error": [3e-5],
    }  # fmt: skip
    return solved("spline", **{**usual, **changes})


def journal(results: Path, name: str = "20260101T000000Z-aaaa", *extra: Any) -> Path:
    """A small run with every kind of work."""
    checks = {q: {"error": 1e-7, "bound": 1e-5, "share": 0.01} for q in ("output", "loss", "w1")}
    lines: list[Any] = []
    for backend in ("numpy", "torch-cpu"):
        lines += [line(backend, batch=n, seconds=[n * 1e-6 * (1 + k / 50) for k in range(8)]) for n in (32, 800, 65536)]
        lines += [
            line(backend, work="forward", seconds=[1e-4] * 8),
            line(backend, work="latency", batch=1, seconds=[1e-5] * 8),
        ]
        lines += [
            line(backend, work="step", batch=32, optimizer=o, seconds=[1e-3] * 8, steps=25) for o in ("adam", "sgd")
        ]
        lines += [line(backend, work="agreement", seconds=None, agreement=checks)]
        lines += [line(backend, work="memory", seconds=None, peak_bytes=3e6, method="read")]
        lines += [followed(backend, optimizer=o) for o in ("adam", "sgd")]
        lines += [learned(backend=backend, target=t, curve=CURVE) for t in ("sin", "square")]
    return write(results / "raw" / "a-machine" / f"{name}.jsonl", *lines, *extra)


def write_aa(folder: Path, apart: float) -> str:
    """An A/A run that resolves nothing below this: every other pass takes so many times as long. Returns its name."""
    passes = [line(**{"pass": n}, seconds=[1e-3 * (apart if n % 2 else 1) * (1 + 1e-3 * n)] * 7) for n in range(24)]
    settings = {"profile": "aa", "threads": None}
    return write(folder / "20260101T000000Z-aaaa.jsonl", *passes, settings=settings).stem


def digest(results: Path) -> dict[str, str]:
    """A hash of every file that the report wrote."""
    files = [p for p in results.rglob("*") if p.is_file() and "raw" not in p.relative_to(results).parts]
    return {str(p.relative_to(results)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


BAD_LINES = [
    '{"kind":"case","backend":"numpy","status":"OK","sec',
    "not json at all",
    "",
    "null",
    "[1,2]",
    '{"kind":"other"}',
    json.dumps(line(batch="800")),
    json.dumps(line(hidden=None)),
    json.dumps(line(batch=True)),
    json.dumps(line(seconds=["x"])),
    json.dumps(line(seconds={"a": 1})),
    json.dumps(line(seconds=[])),
    json.dumps(line(iterations=[1])),
    json.dumps(line(agreement=[1])),
    json.dumps(line(agreement={"w1": 3})),
    json.dumps(line(agreement={"w1": {"error": "x", "bound": 1, "share": 1}})),
    json.dumps({k: v for k, v in line().items() if k != "backend"}),
    json.dumps({k: v for k, v in line().items() if k != "batch"}),
    json.dumps(line(seconds=[0.0, 1.0])),
    json.dumps(line(seconds=[-1.0])),
    json.dumps(line(steps=0)),
    json.dumps(line(batch=-3)),
    '{"kind":"case","batch":' + "9" * 400 + "}",
    json.dumps(line(batch=10**17)),
    json.dumps(line(iterations=10**400)).replace("Infinity", "1"),
    json.dumps(line(work="convergence")),
    json.dumps(line(work="convergence", step=[1, 2], train_seconds=[1.0], test_mse=[1.0, 2.0], curve=[0.0])),
    json.dumps(line(iterations=True)),
    json.dumps(line(steps="800")),
    json.dumps(line(load_average=-1.0)),
    json.dumps(line(seconds=[1e-3, None])),
    json.dumps(line(seconds=None)),
    json.dumps(line(reason=["x"])),
    json.dumps(line(backend="\x1b[31mnumpy")),
    json.dumps(line(backend="n" * 1000)),
    json.dumps(line(gpu={"watts": "many"})),
    json.dumps(line(gpu=[1])),
    json.dumps(line(test_mse=[1.0])),
    json.dumps(line(loss=[1.0], train_seconds=[1.0, 2.0])),
    json.dumps({"kind": "run", **HEADER}),
    json.dumps(followed(distance=None)),
    json.dumps(followed(step=None, distance=None, flips=None)),
    json.dumps(followed(step=[], distance=[], flips=[])),
    json.dumps(followed(flips=[0, 2, 57])),
    json.dumps(followed(order="own", distance=[0.1])),
    json.dumps(followed(distance=[0.1, 0.1, 0.1, -0.1])),
    json.dumps(followed(distance=[0.1, 0.1, 0.1, "nan"])),
    json.dumps(followed(distance="0.1")),
    json.dumps(followed(distance=[0.1, 0.1, 0.1, [0.1]])),
    json.dumps(followed(flips=[0, 2, 57, 409_601])),
    json.dumps(followed(flips=[0, -1, 57, 801])),
    json.dumps(followed(pairs=None)),
    json.dumps(followed(pairs="many")),
    json.dumps(followed(status="DIVERGED", step=[25], flips=[])),
    "[" * 5000,
    "\x00\x01",
]
