"""The options that choose cases and backends."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bench.grid import selection
from bench.grid.case import Case
from bench.grid.data import draw
from bench.grid.profiles import grid
from bench.grid.workloads import workload
from bench.recipes import known_names
from relufit import RelufitError
from relufit.network.precision import PRECISIONS

NONE: dict[str, Any] = dict.fromkeys(("backend", "target", "batch", "hidden", "dtype", "device"))


def select(**options: Any) -> tuple[list[Case], list[str]]:
    """What the command line would choose."""
    return selection.select(SimpleNamespace(**{**NONE, "profile": "quick", **options}))


EVERY_WORK = {case.work for case in grid("quick")}


def test_solvers_run_on_one_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solvers run on numba where it is installed, else on numpy, or where asked; other profiles run on all."""
    for found, name in ((object(), "numba"), (None, "numpy")):
        monkeypatch.setattr(selection, "find_spec", lambda _, found=found: found)
        assert select(profile="solvers")[1] == [name]
    assert select(profile="solvers", backend="torch-cpu,numpy")[1] == ["torch-cpu", "numpy"]
    assert select(profile="headline")[1] == known_names()
    cases = select(profile="solvers", target="runge", hidden="64,512")[0]
    assert {(c.target, c.hidden) for c in cases} == {("runge", 64), ("runge", 512)}


def test_a_size_of_the_scaling_can_be_asked_for() -> None:
    """A size of the scaling can be asked for alone; another size drops the long ones."""
    assert {c.batch for c in select(profile="full", batch="1000000")[0] if c.work == "scaling"} == {10**6}
    assert not [c for c in select(profile="full", batch="40")[0] if c.work == "scaling"]


@pytest.mark.parametrize("profile", ["quick", "full"])
@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "float64"}, {"hidden": "64"}, {"hidden": "77"}, {"batch": "1"}, {"batch": "8192"}, {"batch": "1234"},
        {"target": "abs"}, {"hidden": "77", "batch": "99", "dtype": "float64", "target": "step"},
    ],
)  # fmt: skip
def test_a_value_that_is_asked_for_is_measured_in_every_kind_of_work(profile: str, options: dict[str, str]) -> None:
    """A value that is asked for, in the grid or not, takes the place of the usual one everywhere."""
    cases, _ = select(profile=profile, **options)
    assert {case.work for case in cases} - {"scaling", "ensemble"} == EVERY_WORK
    assert len(cases) == len(set(cases))
    for name, value in options.items():
        concerned = (
            [c for c in cases if name in ("dtype", "hidden") or workload(c.work).learns]
            if name != "batch"
            else [c for c in cases if workload(c.work).sized_by_batch]
        )
        assert {str(getattr(case, name)) for case in concerned} == {value}


def test_several_values_are_all_measured_once() -> None:
    """Repeated values count once, and an option keeps the cases that it does not concern."""
    cases, names = select(backend="numpy, torch-cpu,numpy", batch="5000,5000,32", target="sin,square")
    assert names == ["numpy", "torch-cpu"]
    assert {c.batch for c in cases if c.work == "gradient"} == {5000, 32}
    assert {c.target for c in cases if c.work == "convergence"} == {"sin", "square"}
    assert len(cases) == len(set(cases))


def test_any_device_of_torch_can_be_asked_for() -> None:
    """Any device of torch can be asked for, as `relufit.backends.load` takes it."""
    assert select(backend="torch-xpu")[1] == ["torch-xpu"]


def test_a_required_backend_must_be_among_those_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """RELUFIT_REQUIRE cannot be passed by leaving the backend out, or by a slip of the pen."""
    monkeypatch.setenv("RELUFIT_REQUIRE", "torch-cuda")
    with pytest.raises(RelufitError, match="torch-cuda"):
        select(backend="numpy")
    monkeypatch.setenv("RELUFIT_REQUIRE", "torch-cdua")
    with pytest.raises(RelufitError, match="torch-cdua"):
        select()


def test_a_device_is_that_of_all_cuda_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA backends get the number of the device, others and recipes stay; on the first device names are bare."""
    names = "numpy,cupy,sklearn-recipe,torch-cuda,torch-mps"
    second = ["numpy", "cupy:1", "sklearn-recipe", "torch-cuda:1", "torch-mps"]
    assert select(backend=names, device="cuda:1")[1] == second
    assert select(backend=names, device="cuda:0")[1] == select(backend=names, device="cuda")[1] == names.split(",")
    assert [selection.device_index(found) for found in (second, ["numpy", "cupy"], [])] == [1, 0, 0]
    assert selection.on_device(second, "cuda:1") == second  # as --isolate hands them to its processes
    assert [selection.is_on_cuda(name) for name in second] == [False, True, False, True, False]
    with pytest.raises(RelufitError, match="--device cuda:2 and the backend cupy:1 name two devices"):
        selection.on_device(second, "cuda:2")
    monkeypatch.setitem(selection.backends.TABLE, "cupy:1", selection.backends.TABLE["cupy"])  # names of relufit's
    selection.backends.table.cache_clear()
    assert select(backend="cupy:1")[1] == ["cupy:1"]
    selection.backends.table.cache_clear()


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:-1", "1", "cpu", "cuda:1,cuda:2"])
def test_what_is_no_device_is_a_sentence(device: str) -> None:
    """A device that CUDA does not have is refused with what is valid."""
    with pytest.raises(RelufitError, match=r"--device must be cuda or cuda:N, as cuda:1 for the second GPU, not '"):
        select(device=device)


@pytest.mark.parametrize(
    "options",
    [{"backend": "nosuch"}, {"target": "nosuch"}, {"dtype": "int8"}, {"batch": "0"}, {"batch": "x"}, {"hidden": "-1"},
     {"hidden": "1.5"}, {"profile": "nosuch"}],
)  # fmt: skip
def test_bad_options_are_named(options: dict[str, str]) -> None:
    """A bad option is one sentence with what was given."""
    with pytest.raises(RelufitError) as caught:
        select(**options)
    assert next(iter(options.values())) in str(caught.value)


def test_reduced_precision_is_asked_for_by_its_dtype() -> None:
    """--dtype takes reduced precisions; work that consists of no products has no such case, nor float32 then."""
    cases = select(profile="full", dtype="bfloat16")[0]
    assert {case.dtype for case in cases} == {"bfloat16"}
    assert {case.work for case in cases} == {"gradient", "forward", "step", "agreement"}
    assert {(case.stored, case.precision) for case in cases} == {("float32", "bfloat16")}
    assert draw(replace(cases[0], batch=8))[1].dtype == "float32"
    assert not {case.dtype for case in select(dtype="float32,float64")[0]} & PRECISIONS.keys()
    with pytest.raises(RelufitError, match="unknown 'float8'; choose from float32, float64, bfloat16, float16, tf32"):
        select(dtype="float8")
