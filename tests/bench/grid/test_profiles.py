"""What each profile measures."""

import pytest

from bench.grid.case import SOLVERS
from bench.grid.profiles import PROFILES, SOLVED, grid
from bench.grid.workloads import WORKLOADS, workload
from relufit import SGD, Adam, Momentum, RelufitError


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
