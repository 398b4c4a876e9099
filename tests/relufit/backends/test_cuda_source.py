"""The CUDA sources without a GPU: compiled for the devices that people have, and run by the host against float64."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cuda_on_host
import numpy as np
import pytest
from cuda_on_host import DEADLOCK, HostKernels
from cuda_runs import HOST, adversarial, digest
from cuda_sass import compile_for
from threads import train_in_threads

from bench.agreement import answers
from bench.hardware import gpu_peaks
from bench.measure.backends import load_or_skip
from relufit import Backend, Plan, Sizes, draw_plan, init_params
from relufit.backends.cuda import sources
from relufit.backends.cuda.sources import sizes, source
from relufit.network.optim import SGD, Adam, Momentum, Optimizer
from relufit.testing import REQUIREMENTS, error_bounds

pytestmark = pytest.mark.cuda_source
RULES = [SGD(1e-4), Momentum(1e-4), Adam(1e-3)]
# Of a kernel in the worst case of H = 64, 512 and 1024 and of all optimizers: registers a thread.
REGISTERS = {
    "forward_small": 64, "forward_large": 80, "gradient_shares": 104, "gradient_from_shares": 64, "step_shares": 104,
    "step_update": 64, "train": 255, "hinge_gradient": 128, "hinge_train": 144,
}  # fmt: skip
USED = re.compile(
    r"entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores.*?Used (\d+) registers",
    flags=re.DOTALL,
)
# T4 and RTX 20; A100; RTX 30; L4 and RTX 40; H100 and H200; B200; RTX 50.
ARCHITECTURES = [75, 80, 86, 89, 90, 100, 120]
USUAL = {75, 90, 120}  # the oldest, H100 and H200, and the newest; the slow tests compile for the others
LARGEST = {"dense": 2048, "step": 2048, "train": 1024, "hinge": 1024}  # units that a kernel takes
SPILLED = {"hinge_train": 128, "hinge_gradient": 32}  # bytes at H = 1024, where 1024 threads leave 64 registers each


def seldom(value: object, is_seldom: bool) -> object:
    """A parameter, slow where others protect the same."""
    return pytest.param(value, marks=[pytest.mark.slow] * is_seldom)


@pytest.mark.parametrize("architecture", [seldom(number, number not in USUAL) for number in ARCHITECTURES])
@pytest.mark.parametrize(
    ("file", "hidden"),
    [
        pytest.param(file, hidden, marks=[pytest.mark.slow] * (hidden == 64))
        for file, largest in LARGEST.items()
        for hidden in (64, 512, 1024, 2048)
        if hidden <= largest
    ],
)
def test_compiles_within_its_registers(architecture: int, hidden: int, file: str) -> None:
    """Every kernel compiles for devices from T4 to RTX 50 and B200 without local memory, but for what is said."""
    for rule in range(len(RULES)) if architecture == 90 and file != "dense" else (len(RULES) - 1,):  # Adam has most
        said, _ = compile_for(architecture, source(file), sizes(hidden, rule, keep_hidden=file == "train"))
        found = USED.findall(said)
        assert {name for name, *_ in found} <= set(REGISTERS)
        assert found, said
        for name, stack, spills, registers in found:
            allowed = SPILLED.get(name, 0) if hidden == 1024 else 0
            assert max(int(stack), int(spills)) <= allowed, (name, said)
            assert int(registers) <= REGISTERS[name], (name, said)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", list(gpu_peaks.NUMBERS))
def test_ceilings_compile_without_memory(dtype: str, architecture: int) -> None:
    """The loops that measure a device keep everything in registers."""
    said, _ = compile_for(architecture, gpu_peaks.SOURCE.read_text(), gpu_peaks.options(dtype))
    found = {name: (int(stack), int(spills)) for name, stack, spills, _ in USED.findall(said)}
    assert set(found) == {*gpu_peaks.MIXES, "nothing"}
    assert set(found.values()) == {(0, 0)}


@pytest.mark.parametrize("requirement", list(REQUIREMENTS))
@pytest.mark.parametrize("name", list(HOST))
def test_conforms(name: str, requirement: str) -> None:
    """The kernels, run on the host, pass the suite that every backend passes."""
    REQUIREMENTS[requirement](HOST[name](name))


@pytest.mark.parametrize("name", ["cupy-graph", "cupy-train", "cupy-hinge"])
def test_threads_do_not_share_a_training(name: str) -> None:
    """Trainings of one backend from several threads end where each ends alone: no graph is another thread's."""
    train_in_threads(HOST[name](name))


def places(*names: str) -> list[object]:
    """Each of the backends with its kernels on the host, and where there is a GPU as it is."""
    on_host = [pytest.param(HOST[name], name, id=f"{name}-on-host") for name in names]
    on_gpu = [pytest.param(load_or_skip, name, marks=pytest.mark.gpu, id=f"{name}-on-gpu") for name in names]
    return [*on_host, *on_gpu]


@pytest.mark.parametrize(("hidden", "samples"), [(64, 333), (512, 100), (100, 65), (1, 1), (33, 9000)])
@pytest.mark.parametrize(("make", "name"), places(*HOST))
def test_agrees_with_float64(make: Callable[[str], Backend], name: str, hidden: int, samples: int) -> None:
    """Output, loss and gradients on data made to hurt differ from float64 by rounding only."""
    params, x, y = adversarial(hidden, samples)
    backend = make(name)
    answers.demand(answers.compare(backend, params, x, y, error_bounds.reference(params, x, y)))


@pytest.mark.parametrize(
    "rule", [seldom(rule, isinstance(rule, Momentum)) for rule in RULES], ids=lambda rule: type(rule).__name__
)
@pytest.mark.parametrize("plan", ["ragged", "groups", "whole"])
@pytest.mark.parametrize("hidden", [seldom(64, True), 512])
@pytest.mark.parametrize(("make", "name"), places("cupy-graph", "cupy-train", "cupy-hinge"))
def test_trains_as_float64_does(
    make: Callable[[str], Backend], name: str, hidden: int, plan: str, rule: Optimizer
) -> None:
    """Epochs in one launch end where float64 does: ragged batches, large ones, the whole data set."""
    params, x, y = init_params(hidden), *(np.linspace(-6, 6, 200, dtype=np.float32)[:, None],) * 2
    plans = {
        "ragged": draw_plan(200, batch=32, epochs=2),
        "groups": draw_plan(200, batch=70, epochs=1),
        "whole": Plan(None, 200, 3),
    }
    backend = make(name)
    for many in (False, True):
        answers.demand(answers.compare_training(backend, params, x, np.sin(y), rule, plans[plan], many=many))


@pytest.mark.parametrize("name", list(HOST))
def test_the_order_of_threads_changes_no_bit(name: str) -> None:
    """Threads in order, or shuffled at every turn, give the same bits: nothing is read before it is written."""
    assert digest(name, 1) == digest(name, 2) == digest(name, 0)


BARRIER = re.compile(r"__sync(threads|warp)\(\);")
USERS = {"group.cuh": ("cupy-fused", "cupy-graph", "cupy-train"), "hinge.cuh": ("cupy-hinge",)}
# Between the two halves of an odd-even turn. A fiber exchanges two keys without being interrupted, and the turns go on
# until all is sorted, so that the host cannot see it missing; on a device compute-sanitizer's racecheck does.
UNSEEN = ("hinge.cuh", 0)
PLACES = [
    (file, place)
    for file in USERS
    for place in range(len(BARRIER.findall((sources.FOLDER / file).read_text())))
    if (file, place) != UNSEEN
]
FIRST = [next(found for found in PLACES if found[0] == file) for file in USERS]  # for each, a process compiles anew
# In a process of its own, with the sources of another folder: 3 where a bit is not as it was.
MUTANT = """
import sys
from hashlib import sha256
from pathlib import Path
sys.path[:0] = sys.argv[2:4]
from relufit.backends.cuda import sources
sources.FOLDER = Path(sys.argv[1])
from cuda_runs import HOST, digest
for name, before in zip(sys.argv[4::2], sys.argv[5::2]):
    for seed in (0, 1):
        if digest(name, seed) != before:
            sys.exit(3)
"""


@pytest.mark.parametrize(
    ("file", "place"),
    [pytest.param(*found, marks=[pytest.mark.slow] * (found not in FIRST)) for found in PLACES],
)
def test_a_missing_barrier_is_seen(file: str, place: int, tmp_path: Path) -> None:
    """Each barrier that is deleted changes the bits in some order of the threads, or lets them wait for ever."""
    for original in sources.FOLDER.glob("*.cuh"):
        (tmp_path / original.name).write_text(original.read_text())
    text = (tmp_path / file).read_text()
    cut = list(BARRIER.finditer(text))[place]
    (tmp_path / file).write_text(text[: cut.start()] + ";" + text[cut.end() :])
    here, before = (
        Path(cuda_on_host.__file__).parent,
        [part for name in USERS[file] for part in (name, digest(name, 0))],
    )
    done = subprocess.run(
        [sys.executable, "-c", MUTANT, str(tmp_path), str(here.parent), str(here), *before],
        capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode in (3, DEADLOCK), done.stderr.decode()


SANITIZED = """
import sys
from cuda_runs import adversarial
from relufit import Adam, Plan, draw_plan
from relufit.backends import create
from relufit.network.optim import map_arrays
backend, rule = create(sys.argv[1]), Adam(1e-3)
params, x, y = adversarial(100, 130)
samples, start = backend.samples(x, y), map_arrays(backend.to_device, rule.init(params))
backend.forward(start.params, samples.x)
backend.loss_and_grads(start.params, samples)
for plan in (draw_plan(130, batch=40, epochs=1), Plan(None, 130, 2)):
    backend.train(start, samples, rule, plan, range(plan.epochs))
backend.synchronize()
"""


@pytest.mark.gpu
@pytest.mark.parametrize("tool", ["memcheck", "racecheck"])
@pytest.mark.parametrize("name", list(HOST))
def test_the_sanitizer_finds_nothing(name: str, tool: str) -> None:
    """The sanitizer finds no access outside an array and no race for shared memory."""
    sanitizer = shutil.which("compute-sanitizer")
    load_or_skip(name)
    if sanitizer is None:
        pytest.skip("compute-sanitizer is not on the PATH")
    command = [
        sanitizer,
        "--tool",
        tool,
        "--report-api-errors",
        "no",
        "--error-exitcode",
        "9",
        sys.executable,
        "-c",
        SANITIZED,
        name,
    ]
    here = Path(cuda_on_host.__file__).parent
    found = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"},
    )  # fmt: skip
    if "not supported" in found.stdout:
        pytest.skip("compute-sanitizer does not support this device here")
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-2000:]


def test_kernels_refuse_what_they_cannot() -> None:
    """More inputs, float64 and too many units are refused, each with the reason."""
    for name, backend in HOST.items():
        made: HostKernels = backend(name)
        assert "one input and one output" in str(made.supports(Sizes(10, 2, 8, 1), "float32"))  # type: ignore[attr-defined]
        assert "float32, not float64" in str(made.supports(Sizes(10, 1, 8, 1), "float64"))  # type: ignore[attr-defined]
        assert "not 4096" in str(made.supports(Sizes(10, 1, 4096, 1), "float32"))  # type: ignore[attr-defined]
        refused = made.supports(Sizes(10, 1, 2048, 1), "float32")  # type: ignore[attr-defined]
        assert ("up to 1024" in str(refused)) == (name in ("cupy-train", "cupy-hinge"))
        assert made.supports(Sizes(10, 1, 1024, 1), "float32") is None  # type: ignore[attr-defined]
