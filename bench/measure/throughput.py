"""What is timed of a case: one forward, one gradient, steps of training. The same under pytest and without it.

Weights and data are on the device before the clock starts. The calls go round 16 sets of weights along a run, as a
training would bring them.
"""

from collections.abc import Callable
from math import ceil, log2
from typing import Any

import numpy as np

from bench.hardware import nvidia
from bench.measure import timing
from bench.measure.drawing import draw_call, draw_networks
from bench.measure.recording import count_subnormals
from bench.measure.trial import Trial
from relufit.data import Plan
from relufit.optim import State

TRAIN_SECONDS, MOST_EPOCHS = 5e-3, 256  # a timed call of `train` lasts at least so long, or has so many epochs

Train = Callable[[Plan], tuple[State, Any]]  # trains by the plan; returns the state and the losses


def forward(trial: Trial) -> None:
    """The network's output for samples on the device, without recording for a gradient."""
    _, samples = trial.draw_samples()
    weights = trial.weights()
    trial.measure(lambda: trial.backend.forward(next(weights), samples.x))


def gradient(trial: Trial) -> None:
    """Loss and all gradients: forward and backward."""
    _, samples = trial.draw_samples()
    weights = trial.weights()
    trial.measure(lambda: trial.backend.loss_and_grads(next(weights), samples))


def step(trial: Trial) -> None:
    """Forward, backward and update, in calls of `train` that last 5 ms at least; the time is of one step."""
    params, samples = trial.draw_samples()
    rule = trial.case.rule()
    assert rule is not None
    states, short = trial.states(rule), draw_call(trial.case)
    train = lambda plan: trial.backend.train(next(states), samples, rule, plan, range(plan.epochs))  # noqa: E731
    plan = lengthen(trial, train)
    _count_kernels(trial, lambda: train(short), steps_of(trial, short))
    _demand_finite(trial, *trial.backend.train(rule.init(params), samples, rule, plan, range(plan.epochs)))
    trial.measure(lambda: train(plan), steps=steps_of(trial, plan))


def ensemble(trial: Trial) -> None:
    """A step of many networks at once, each from its own weights, on the same batches; the time is of one step."""
    _, samples = trial.draw_samples()
    rule = trial.case.rule()
    assert rule is not None
    states = draw_networks(trial.case, trial.backend, rule)
    train = lambda plan: trial.backend.train_many(states, samples, rule, plan, range(plan.epochs))  # noqa: E731
    plan = lengthen(trial, train)
    _demand_finite(trial, *train(draw_call(trial.case)))
    trial.measure(lambda: train(plan), steps=steps_of(trial, plan))


def steps_of(trial: Trial, plan: Plan) -> int:
    """The training steps of a plan."""
    return plan.epochs * plan.steps_per_epoch(trial.case.samples)


def lengthen(trial: Trial, train: Train) -> Plan:
    """The plan of a call of `train` that lasts TRAIN_SECONDS; its epochs are multiplied by a power of two.

    A training makes thousands of steps in a call: what a call costs beside its steps must not count as one of 25.
    """
    plan = draw_call(trial.case)
    if trial.benchmark.disabled:
        return plan
    trial.call_first(lambda: train(plan))
    seconds = timing.seconds_per_call(lambda: train(plan), timing.synchronized_clock(trial.backend), 1)
    times = 2 ** max(0, ceil(log2(TRAIN_SECONDS / seconds)))
    return draw_call(trial.case, min(MOST_EPOCHS, plan.epochs * times))


def _demand_finite(trial: Trial, state: State, losses: Any) -> None:
    """Raise AssertionError where training at the timed rate diverges; keep how many weights became subnormal."""
    assert np.isfinite(trial.backend.to_host(losses)).all(), "the timed steps diverge"
    trial.noted["subnormals"] = count_subnormals(map(trial.backend.to_host, state.params))


def _count_kernels(trial: Trial, call: Callable[[], Any], steps: int) -> None:
    """Keep how many kernels the device runs for each step of a call."""
    if trial.backend.device == "cpu" or trial.benchmark.disabled:
        return
    kernels = nvidia.kernels_per_call(call, trial.backend.synchronize)
    if kernels is not None:
        trial.noted["kernels_per_step"] = kernels / steps


WORK: dict[str, Callable[[Trial], None]] = {"gradient": gradient, "forward": forward, "step": step}
