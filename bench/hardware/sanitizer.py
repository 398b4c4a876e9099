"""compute-sanitizer over the kernels of relufit's own: wrong accesses, races for shared memory, wrong barriers.

It slows a kernel by a factor of ten to a hundred, so each backend makes a forward, a gradient and two short trainings.
Source: https://docs.nvidia.com/compute-sanitizer/ComputeSanitizer/index.html
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from bench.hardware.machine import ROOT

PROGRAM = "compute-sanitizer"
TOOLS = ("memcheck", "racecheck", "synccheck")
KERNELS = ("cupy-fused", "cupy-graph", "cupy-train", "cupy-hinge")  # the backends whose kernels are relufit's own
FOUND = 9  # exit code where the tool has found something
SCRIPT = """
import sys
import numpy as np
from relufit import Adam, Plan, draw_plan, init_params
from relufit.backends import create
from relufit.network.optim import map_arrays
rule, params = Adam(1e-3), init_params(100)
x = np.linspace(-6, 6, 130, dtype=np.float32)[:, None]
for name in sys.argv[1:]:
    backend = create(name)
    samples, start = backend.samples(x, np.sin(x)), map_arrays(backend.to_device, rule.init(params))
    backend.forward(start.params, samples.x)
    backend.loss_and_grads(start.params, samples)
    for plan in (draw_plan(130, batch=40, epochs=1), Plan(None, 130, 2)):
        backend.train(start, samples, rule, plan, range(plan.epochs))
    backend.synchronize()
"""


def checked(names: Iterable[str]) -> list[str]:
    """Those of these backends that the sanitizer is for."""
    return [name for name in names if name.partition(":")[0] in KERNELS]


def command(tool: str, names: Iterable[str]) -> list[str]:
    """The command line of one tool over these backends."""
    options = ["--tool", tool, "--report-api-errors", "no", "--error-exitcode", str(FOUND)]
    return [PROGRAM, *options, sys.executable, "-c", SCRIPT, *names]


def check(tool: str, names: Iterable[str], folder: Path, seconds: float) -> tuple[bool, str]:
    """Run one tool for so many seconds at most; what it says is written to `folder`/sanitizer-<tool>.txt.

    Returns whether it found a fault, and a sentence. Raises OSError where it is not installed or cannot write.
    """
    if shutil.which(PROGRAM) is None:
        raise FileNotFoundError(f"{PROGRAM} is not on the PATH")
    # The process imports from where this one does.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    log = folder / f"sanitizer-{tool}.txt"
    with log.open("w+", encoding="utf-8", errors="replace") as file:
        child = subprocess.Popen(
            command(tool, names), env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = child.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    # No path of this machine stays in the results.
    said = log.read_text(encoding="utf-8", errors="replace").replace(str(ROOT), ".").replace(sys.prefix, "(python)")
    log.write_text(said, encoding="utf-8")
    if code is None:
        return False, f"{tool} did not end within {seconds:.0f} s: {log}"
    if "not supported" in said:
        return False, f"{tool} does not support this device: {log}"
    if code:
        return True, f"{tool} found a fault, or its program failed, exit code {code}: {log}"
    return False, f"{tool} found nothing: {log}"
