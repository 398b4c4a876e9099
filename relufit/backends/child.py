"""A Python script in a process of its own, which is ended when it is silent for too long: what it runs may hang."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from tempfile import TemporaryFile
from threading import Timer

LONGEST_LINE = 2**16  # bytes that are read at once of what a child prints


class Silent(Exception):
    """The script printed nothing for the time that it had."""


def run(script: str, read: Callable[[str], float], seconds: float) -> str:
    """Run a script, give each line that it prints to `read`, and return how it ended: "crashed its process (exit 1)".

    The first line may take `seconds`, and each further one as long as the last call of `read` returned. Raises Silent
    where one takes longer. The script imports from where this process does, also if that is known to sys.path alone.
    """
    is_late = False

    def expire() -> None:
        nonlocal is_late
        is_late = True
        _kill(child)

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    with TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, "-c", script],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        assert child.stdout is not None
        timer = _started(seconds, expire)
        try:
            for line in iter(partial(child.stdout.readline, LONGEST_LINE), b""):
                seconds = read(line.decode(errors="replace"))
                timer.cancel()
                timer = _started(seconds, expire)
            child.wait()
        finally:
            timer.cancel()
            _kill(child)
            child.stdout.close()
            child.wait()
        if is_late:
            raise Silent
        errors.seek(0)
        said = (errors.read().decode(errors="replace").strip().splitlines() or [""])[-1][:200]
    return f"crashed its process (exit {child.returncode})" + (f": {said}" if said else "")


def _started(seconds: float, expire: Callable[[], None]) -> Timer:
    timer = Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    return timer


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End a process and, where the system has process groups, all that it has started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()
