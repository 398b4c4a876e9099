"""The machine that the stand-ins for cupy and torch.cuda play: its devices, its troubles, and what was done on which.

The environment variable RELUFIT_FAKE_CUDA describes it, "devices=2 oom=5", so that child processes see the same:

- devices: how many the machine has (default 1); CUDA_VISIBLE_DEVICES chooses and renumbers them, as CUDA's does;
- driver, runtime: CUDA versions (default 13000 of both);
- capability: compute capability (default 90);
- busy=1: another process has the device for itself alone (exclusive-process mode);
- oom=k: the k-th allocation finds no memory;
- sticky=k: from the k-th launch on, every call fails, as after an illegal address;
- hang=1: the driver never returns from the first call.
"""

import os
import threading
import time
from uuid import UUID

CAPACITY = 16 * 2**30  # bytes of a device
PROCESSORS = 2
Event = tuple[str, int]  # what was done ("allocate", "launch", "copy", "event", "stream", ...), on which device


class Failure(RuntimeError):
    """An error of the CUDA runtime, in its words: "cudaErrorNoDevice: no CUDA-capable device is detected"."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")


class Scene:
    """One process's view of the machine."""

    def __init__(self, text: str) -> None:
        numbers = {name: int(value) for name, value in (part.split("=") for part in text.split())}
        self.driver, self.runtime = numbers.get("driver", 13000), numbers.get("runtime", 13000)
        self.capability, self.busy = divmod(numbers.get("capability", 90), 10), numbers.get("busy", 0)
        self.oom, self.sticky, self.hangs = numbers.get("oom", 0), numbers.get("sticky", 0), numbers.get("hang", 0)
        self.physical = visible([*range(numbers.get("devices", 1))], os.environ.get("CUDA_VISIBLE_DEVICES"))
        self.log: list[Event] = []
        self.bytes = dict.fromkeys(range(len(self.physical)), 0)  # held by each device
        self.freed: list[int] = []  # devices whose pools were emptied
        self.allocations = self.launches = 0
        self.is_broken = False
        self.here = threading.local()  # the current device belongs to the thread, and is 0 in a new one

    def current(self) -> int:
        """The device that is current in this thread."""
        return getattr(self.here, "device", 0)

    def call(self) -> None:
        """Do what any call of the driver does in this scene: hang, fail, or return."""
        if self.hangs:
            time.sleep(1e6)
        if self.is_broken:
            raise Failure("cudaErrorIllegalAddress", "an illegal memory access was encountered")

    def count(self) -> int:
        """The number of devices. Raises Failure on a machine without a device, as CUDA does."""
        self.call()
        if not self.physical:
            raise Failure("cudaErrorNoDevice", "no CUDA-capable device is detected")
        return len(self.physical)

    def set_device(self, index: int) -> None:
        """Make a device current in this thread."""
        self.call()
        if not 0 <= index < len(self.physical):
            raise Failure("cudaErrorInvalidDevice", "invalid device ordinal")
        self.here.device = index

    def do(self, what: str, index: int | None = None) -> int:
        """Record something that needs a context on a device, by default the current one; return the device."""
        self.count()
        if self.busy:
            raise Failure("cudaErrorDevicesUnavailable", "CUDA-capable device(s) is/are busy or unavailable")
        on = self.current() if index is None else index
        if what == "launch":
            self.launches += 1
            if self.launches == self.sticky:
                self.is_broken = True
                self.call()
        self.log.append((what, on))
        return on

    def finds_memory(self) -> bool:
        """Count an allocation; whether it finds memory."""
        self.allocations += 1
        return self.allocations != self.oom

    def uuid(self, index: int) -> UUID:
        """The same for a physical device under each of its numbers."""
        return UUID(int=int("f1" * 16, 16) + self.physical[index])


def visible(devices: list[int], text: str | None) -> list[int]:
    """The devices that CUDA_VISIBLE_DEVICES leaves, in its order: those up to the first that does not exist."""
    chosen: list[int] = []
    for part in devices if text is None else text.split(","):
        if not str(part).strip().isdecimal() or int(part) not in devices:
            break
        chosen.append(int(part))
    return chosen


SCENE = Scene(os.environ.get("RELUFIT_FAKE_CUDA", ""))  # of this process
