"""The table of backends: what is known, what works, and how what does not work is said."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.measure.backends import load, unavailable
from relufit import BackendUnavailable, RelufitError, backends
from relufit.backends import PROBE_SECONDS, Row


@pytest.fixture
def fresh() -> Iterator[None]:
    """Nothing is known yet of any backend, and what the test finds is forgotten."""
    _forget()
    yield
    _forget()


@pytest.fixture
def few(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of numpy alone, to which a test adds its rows: to try out all others takes half a minute."""
    monkeypatch.setattr(backends, "TABLE", {"numpy": backends.TABLE["numpy"]})


def _forget() -> None:
    for cached in (
        backends.table,
        backends.create,
        backends.probe,
        backends._try_out_in_children,
        backends._given_up,
        unavailable,
        load,
    ):
        cached.cache_clear()


@pytest.mark.usefixtures("few")
def test_numpy_always_works() -> None:
    """The numpy backend works everywhere, and load gives the same backend of that name each time."""
    assert backends.status()["numpy"] is None
    assert backends.load("numpy") is backends.load("numpy")


@pytest.mark.parametrize("name", ["nosuch", "", None, 3, "torch-", "torch-/x"])
def test_unknown_names_list_the_known_ones(name: object) -> None:
    """An unknown name raises RelufitError, not BackendUnavailable, with the names that exist."""
    with pytest.raises(RelufitError, match="known: numpy") as caught:
        backends.load(name)  # type: ignore[arg-type]
    assert not isinstance(caught.value, BackendUnavailable)


def test_any_device_of_torch_is_a_name() -> None:
    """Each device of torch gives a backend "torch-<device>"; a device that torch lacks is unavailable."""
    assert backends.load("torch-cpu").device == "cpu"
    with pytest.raises(BackendUnavailable, match="no device 'nosuch'"):
        backends.load("torch-nosuch")


@pytest.mark.usefixtures("few")
def test_a_plug_in_for_one_device_refuses_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class of another package gets the device with its number; one that ignores it would compute elsewhere."""
    _module(tmp_path, PLANTED.format(body="return super().loss_and_grads(params, samples)"), monkeypatch)
    _register(tmp_path, "planted-cuda")
    assert backends.probe("planted-cuda:1") is None
    assert backends.create("planted-cuda:1").device == "cuda:1"
    _forget()
    fixed = PLANTED.replace("super().__init__(name, device)", "super().__init__(name, 'cuda')")
    _module(tmp_path, fixed.format(body="return super().loss_and_grads(params, samples)"), monkeypatch)
    assert backends.try_out("planted-cuda") is None
    assert backends.try_out("planted-cuda:1") == "planted_backend:Planted takes no device number; its device is cuda"


@pytest.mark.usefixtures("few")
def test_what_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both the exception and the status say how to install what is missing."""
    monkeypatch.setitem(
        backends.TABLE, "absent", Row("absent.module:Class", "cpu", "no_such_library", "no-such[extra]")
    )
    with pytest.raises(BackendUnavailable, match=r"pip install no-such\[extra\]") as caught:
        backends.load("absent")
    assert backends.status()["absent"] == caught.value.reason


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("name", ["jax-cpu", "jax-cuda", "torch-compile", "torch-compile-cuda"])
def test_a_missing_library_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing library is named with its extra, on a CPU and for a device that a child process would try."""
    monkeypatch.setattr(backends, "find_spec", lambda library: None)
    wanted = backends.row(name)
    assert backends.status()[name] == f"{wanted.library} is not installed: pip install {wanted.install}"


def _module(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "planted_backend.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.delitem(sys.modules, "planted_backend", raising=False)


PLANTED = """
import os, time
from relufit.backends.numpy import NumpyBackend
class Planted(NumpyBackend):
    def __init__(self, name, device):
        super().__init__(name, device)
    def loss_and_grads(self, params, samples):
        {body}
"""


HOSTILE = """
import os, sys, time, warnings
from relufit.backends.numpy import NumpyBackend
def act(place):
    if place == {place!r}:
        {act}
act("import")
class Planted(NumpyBackend):
    def __init__(self, name, device):
        act("constructor")
        super().__init__(name, device)
    def facts(self):
        act("facts")
        return {{}}
    def pinned(self):
        act("pinned")
        return super().pinned()
    def forward(self, params, x):
        act("forward")
        return super().forward(params, x)
    def train(self, *given):
        act("train")
        return super().train(*given)
"""
ACTS = {
    "time.sleep(999)": "did not answer within 4 s",
    "os.abort()": "crashed its process",
    "sys.exit(0)": "",
    "os._exit(0)": "crashed its process (exit 0)",
    "raise ValueError('enough')": "ValueError: enough",
    "print('a banner', flush=True)": None,
    "warnings.warn('old', DeprecationWarning)": None,
}


def _register(folder: Path, *names: str) -> None:
    """An entry point for each name, as another package would have it: a child process finds it too."""
    info = folder / "planted-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    points = "".join(f"{name} = planted_backend:Planted\n" for name in names)
    (info / "entry_points.txt").write_text(f"[relufit.backends]\n{points}")


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("place", "act"),
    [
        ("import", "time.sleep(999)"), ("import", "sys.exit(0)"), ("constructor", "os.abort()"),
        ("train", "os._exit(0)"),
        ("import", "warnings.warn('old', DeprecationWarning)"), ("facts", "raise ValueError('enough')"),
        ("pinned", "raise ValueError('enough')"),
        *(pytest.param(place, act, marks=pytest.mark.slow)
          for place in ("import", "constructor", "facts", "pinned", "forward", "train") for act in ACTS),
    ],
)  # fmt: skip
def test_a_hostile_plug_in_costs_itself_alone(
    place: str, act: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hangs, crashes, exits or raises has a reason in bounded time; what prints or warns, or one verb, works."""
    _module(tmp_path, HOSTILE.format(place=place, act=act), monkeypatch)
    _register(tmp_path, "planted")
    monkeypatch.setattr(backends, "PROBE_SECONDS", 4.0 if "sleep" in act else PROBE_SECONDS)
    reason, said = backends.probe("planted"), ACTS[act]
    if said is None or (place in ("forward", "train") and act.startswith("raise")):
        assert reason is None
        assert backends.create("planted").name == "planted"
    else:
        assert reason is not None
        assert said in reason


@pytest.mark.usefixtures("few")
def test_a_child_imports_from_where_its_parent_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend, or relufit itself, that is found by sys.path alone is tried out as one that is installed."""
    _module(tmp_path, PLANTED.format(body="return super().loss_and_grads(params, samples)"), monkeypatch)
    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.chdir(tmp_path.parent)
    _register(tmp_path, "planted-cuda")
    assert backends.probe("planted-cuda") is None


@pytest.mark.usefixtures("few")
def test_a_device_is_the_end_of_a_name_that_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point called my-einsum runs on a CPU, my-own-cuda on a GPU."""
    monkeypatch.syspath_prepend(tmp_path)
    _register(tmp_path, "mine", "my-einsum", "my-own-cuda", "mine-mps")
    found = {name: backends.row(name).device for name in ("mine", "my-einsum", "my-own-cuda", "mine-mps")}
    assert found == {"mine": "cpu", "my-einsum": "cpu", "my-own-cuda": "cuda", "mine-mps": "mps"}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("body", "device", "says"),
    [
        ("raise RuntimeError('no kernel image')", "cpu", "RuntimeError: no kernel image"),
        ("return float('nan'), params", "cpu", "nan"),
        ("raise RuntimeError('no kernel image')", "gpu", "RuntimeError: no kernel image"),
        ("os.abort()", "gpu", "crashed its process"),
        ("print('a banner'); return super().loss_and_grads(params, samples)", "gpu", None),
        ("time.sleep(999)", "gpu", "did not answer"),
        ("return super().loss_and_grads(params, samples)", "gpu", None),
    ],
)
def test_importing_is_not_working(
    body: str, device: str, says: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that raises, computes nonsense, crashes or hangs is found out by a real gradient, in bounded time."""
    _module(tmp_path, PLANTED.format(body=body), monkeypatch)
    _register(tmp_path, f"planted-{device}")
    monkeypatch.setattr(backends, "PROBE_SECONDS", 5 if says == "did not answer" else PROBE_SECONDS)
    reason = backends.status()[f"planted-{device}"]
    assert (reason is None) if says is None else (reason is not None and says in reason)


@pytest.mark.usefixtures("few")
def test_what_to_install_is_a_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of another package, whose module is gone, names the package to pip, and not the backend."""
    monkeypatch.syspath_prepend(tmp_path)
    info = tmp_path / "planted_tools-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted-tools\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[relufit.backends]\nfast = planted_and_gone:Planted\n")
    assert backends.probe("fast") == "planted_and_gone is not installed: pip install planted-tools"


@pytest.mark.usefixtures("few")
def test_one_that_crashes_costs_the_others_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices of one library are tried in one process; after a crash the rest are tried in another."""
    _module(
        tmp_path,
        PLANTED.format(body="os.abort() if self.name == 'b' else 0; return super().loss_and_grads(params, samples)"),
        monkeypatch,
    )
    for name in "abc":
        monkeypatch.setitem(backends.TABLE, name, Row("planted_backend:Planted", "gpu", "planted_backend", "planted"))
    site = tmp_path / "sitecustomize.py"  # the child has to know the rows too
    rows = "{n: Row('planted_backend:Planted', 'gpu', 'planted_backend', 'planted') for n in 'abc'}"
    site.write_text(f"from relufit.backends import TABLE, Row\nTABLE.update({rows})\n")
    found = backends.status()
    assert found["a"] is None
    assert "crashed" in str(found["b"])
    assert found["c"] is None


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("body", ["raise KeyError('x')", "return None"])
def test_a_class_that_is_no_backend_is_a_reason(body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever another package registers, status answers for all the others."""
    _module(tmp_path, f"def Planted(name, device):\n    {body}", monkeypatch)
    monkeypatch.setitem(backends.TABLE, "planted", Row("planted_backend:Planted", "cpu", "planted_backend", "planted"))
    found = backends.status()
    assert found["planted"]
    assert found["numpy"] is None


@pytest.mark.usefixtures("few")
def test_a_library_that_does_not_import_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is installed but does not import makes its backend unavailable, with the reason."""
    _module(tmp_path, "raise ImportError('libmissing.so.13: cannot open shared object file')", monkeypatch)
    monkeypatch.setitem(backends.TABLE, "planted", Row("planted_backend:Planted", "cpu", "planted_backend", "planted"))
    reason = backends.status()["planted"]
    assert reason is not None
    assert "libmissing" in reason


def test_what_is_installed_for_the_cpu_works() -> None:
    """A backend that no longer compiles is a failure, where each test of it alone would be skipped."""
    usable = (None, "torch.compile finds no C++ compiler: install g++, or name one in CXX")
    for name, row in backends.TABLE.items():
        if row.device == "cpu" and find_spec(row.library):
            assert backends.probe(name) in usable, name
