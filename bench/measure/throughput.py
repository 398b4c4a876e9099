"""What is timed of a case: one forward, one gradient, steps of training. The same under pytest and without it.

Weights and data are on the device before the clock starts. The calls go round 16 sets of weights along a run, as a
training would bring them.
"""

from collections.abc import Callable

from bench.measure.trial import Trial


def forward(trial: Trial) -> None:
    """The network's output for samples on the device, without recording for a gradient."""
    _, samples = trial.on_device()
    weights = trial.weights()
    trial.measure(lambda: trial.backend.forward(next(weights), samples.x))


def gradient(trial: Trial) -> None:
    """Loss and all gradients: forward and backward."""
    _, samples = trial.on_device()
    weights = trial.weights()
    trial.measure(lambda: trial.backend.loss_and_grads(next(weights), samples))


def step(trial: Trial) -> None:
    """Forward, backward and update, in calls of `train` that last 5 ms at least; the time is of one step."""
    params, samples = trial.on_device()
    rule = trial.case.rule()
    assert rule is not None
    states = trial.states(rule)
    train = lambda plan: trial.backend.train(next(states), samples, rule, plan, range(plan.epochs))  # noqa: E731
    plan, short = trial.lengthened(train), trial.plan()
    trial.count_kernels(lambda: train(short), short.epochs * short.steps_per_epoch(len(samples)))
    trial.demand_finite(*trial.backend.train(rule.init(params), samples, rule, plan, range(plan.epochs)))
    trial.measure(lambda: train(plan), steps=plan.epochs * plan.steps_per_epoch(len(samples)))


WORK: dict[str, Callable[[Trial], None]] = {"gradient": gradient, "forward": forward, "step": step}
