"""The grid and the options that choose from it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.grid import selection
from bench.grid.case import SOLVERS, Case
from bench.grid.data import draw
from bench.grid.profiles import PROFILES, SOLVED, grid
from bench.grid.workloads import WORKLOADS, workload
from bench.recipes import known_names
from relufit import SGD, Adam, Momentum, RelufitError

NONE: dict[str, Any] = dict.fromkeys(("backend", "target", "batch", "hidden", "dtype"))


def select(**options: Any) -> tuple[list[Case], list[str]]:
    """What the command line would choose."""
    return selection.select(SimpleNamespace(**{**NONE, "profile": "quick", **options}))


def test_the_full_grid_holds_what_is_promised() -> None:
    """The full grid has every batch, width, dtype, work, scheme and target; the quick profile is its beginning."""
    cases = grid("full")
    for work in ("forward", "gradient", "step"):
        found = {(c.batch, c.hidden, c.dtype) for c in cases if c.work == work}
        assert {
            (n, h, t) for n in (32, 800, 8192, 65536) for h in (64, 512, 2048) for t in ("float32", "float64")
        } <= found
    learned = {(c.target, c.scheme, c.optimizer) for c in cases if c.work == "convergence"}
    assert len(learned) == 2 * 4 * 2
    assert {c.work for c in cases} == {*EVERY_WORK, "scaling", "ensemble"}
    assert [c.batch for c in cases[-7:]] == [10**power for power in range(2, 9)]
    assert {c.work for c in cases[-7:]} == {"scaling"}
    assert len(cases) == len(set(cases))
    timed = [c for c in grid("quick") if not workload(c.work).learns]
    assert [c for c in cases[: len(grid("quick"))] if not workload(c.work).learns] == timed


def test_an_unknown_profile_is_named() -> None:
    """An unknown profile is refused with the names of those that exist."""
    with pytest.raises(RelufitError, match="quick, full, headline, solvers, gpu or aa"):
        grid("huge")
    assert tuple(PROFILES) == ("quick", "full", "headline", "solvers", "gpu", "aa")


EVERY_WORK = {
    "forward", "gradient", "step", "latency", "to_device", "to_host", "memory", "agreement", "trajectory",
    "convergence",
}  # fmt: skip


def test_the_headline_is_short() -> None:
    """The headline has both steps at batch 32, and a gradient up to 10^7 samples, and no more."""
    assert [(c.work, c.batch, c.optimizer) for c in grid("headline")] == [
        ("step", 32, "sgd"), ("step", 32, "adam"), ("gradient", 800, ""), ("gradient", 65536, ""),
        ("gradient", 2**20, ""), ("gradient", 10**7, ""),
    ]  # fmt: skip


def test_every_function_is_solved_by_every_solver() -> None:
    """The profile solvers has every function and solver at the settings of fit, once, the spline first."""
    cases = grid("solvers")
    assert [(c.target, c.optimizer) for c in cases] == [(target, solver) for target in SOLVED for solver in SOLVERS]
    assert {(c.work, c.hidden, c.samples, c.scheme) for c in cases} == {("solving", 512, 800, "spread")}
    rules = {c.optimizer: (c.batch, c.dtype, c.rule()) for c in cases}
    assert rules == {
        "spline": (800, "float64", None), "lbfgs": (800, "float64", None), "adam": (32, "float32", Adam(1e-3)),
        "momentum": (32, "float32", Momentum(1e-3)), "sgd": (32, "float32", SGD(1e-3)),
    }  # fmt: skip
    assert not [c for profile in PROFILES if profile != "solvers" for c in grid(profile) if c.work == "solving"]
    assert {(c.target, c.hidden) for c in select(profile="solvers", target="runge", hidden="64,512")[0]} == {
        ("runge", 64), ("runge", 512)
    }  # fmt: skip


def test_solvers_run_on_one_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solvers run on numba where it is installed, else on numpy, or where asked; other profiles run on all."""
    for found, name in ((object(), "numba"), (None, "numpy")):
        monkeypatch.setattr(selection, "find_spec", lambda _, found=found: found)
        assert select(profile="solvers")[1] == [name]
    assert select(profile="solvers", backend="torch-cpu,numpy")[1] == ["torch-cpu", "numpy"]
    assert select(profile="headline")[1] == known_names()


def test_trajectories_follow_real_trainings() -> None:
    """Trajectories are short in the quick profile, and of both optimizers and precisions in the full one."""
    quick, full, gpu = ([c for c in grid(profile) if c.work == "trajectory"] for profile in ("quick", "full", "gpu"))
    assert [(c.optimizer, c.dtype) for c in full] == [("adam", "float32"), ("adam", "float64"), ("sgd", "float32")]
    assert [(c.optimizer, c.dtype) for c in (*quick, *gpu)] == [("adam", "float32")] * 2
    assert quick[0].epochs < gpu[0].epochs < full[0].epochs
    places = {(c.work, c.batch, c.optimizer): n for n, c in reversed(list(enumerate(grid("quick"))))}
    shown = [
        *((name, c.batch, c.optimizer) for name, kind in WORKLOADS.items() for c in kind.columns),
        ("convergence", 32, "adam"),
    ]
    assert max(places[key] for key in shown) < grid("quick").index(quick[0])
    assert [c.work for c in grid("gpu")][grid("gpu").index(gpu[0]) - 1] == "agreement"
    for case in (*quick, *full, *gpu):
        assert case.rule() == {"adam": Adam(1e-3), "sgd": SGD(1e-3)}[case.optimizer]
        assert (case.batch, case.samples) == (32, 800)


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


def test_a_case_draws_the_same_inputs_each_time() -> None:
    """A case draws the same inputs each time, in its dtype and with as many samples as it asks for."""
    case = Case("gradient", 20, 6, "float64", 3, 2)
    params, x, y = draw(case)
    assert (x.shape, y.shape, params.w1.shape, params.w2.shape) == ((20, 3), (20, 2), (3, 6), (6, 2))
    assert {a.dtype.name for a in (*params, x, y)} == {"float64"}
    np.testing.assert_array_equal(x, draw(case)[1])
    assert len(draw(case, 7)[1]) == 7


def test_many_samples_are_drawn_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many samples drawn in pieces are the same whatever follows them, and are kept for the next backend."""
    monkeypatch.setattr("bench.grid.data.MANY_SAMPLES", 100)
    monkeypatch.setattr("bench.grid.data.PIECE", 64)
    case = Case("scaling", 150, inputs=2)
    _, x, y = draw(case)
    assert (x.shape, y.shape, x.dtype, y.dtype) == ((150, 2), (150, 1), np.float32, np.float32)
    np.testing.assert_allclose(y[:, 0], np.sin(x[:, 0]), atol=1e-6)
    assert len(np.unique(x)) > 290
    assert np.abs(x).max() <= np.float32(2 * np.pi)
    assert draw(case)[1] is x
    np.testing.assert_array_equal(draw(Case("scaling", 150))[1][:, 0], x[:, 0])


def test_ids_tell_cases_apart() -> None:
    """No two tests of one kind have the same name."""
    for work in {c.work for c in grid("full")}:
        ids = [c.id for c in grid("full") if c.work == work]
        assert len(ids) == len(set(ids))
