"""Runs of the CUDA backends on the host: hard problems, and digests of their results that other processes compare."""

from hashlib import sha256

import numpy as np
from cuda_on_host import HostFused, HostGraph, HostHinge, HostTrain

from relufit import Params, Plan, draw_plan, init_params
from relufit.network.optim import Adam

HOST = {"cupy-fused": HostFused, "cupy-graph": HostGraph, "cupy-train": HostTrain, "cupy-hinge": HostHinge}


def adversarial(hidden: int, samples: int) -> tuple[Params, np.ndarray, np.ndarray]:
    """Knots on samples, zero biases, w1 = 0, units that are never on, repeated x, a target that is not smooth."""
    params = init_params(hidden)
    rng = np.random.default_rng(1)
    x = rng.uniform(-6, 6, (samples, 1)).astype(np.float32)
    x[: samples // 4] = np.round(x[: samples // 4])
    w1, b1 = params.w1.copy(), params.b1.copy()
    b1[: hidden // 4] = -(w1[0, : hidden // 4] * x[np.arange(hidden // 4) % samples, 0])
    b1[hidden // 4 : hidden // 3] = 0
    w1[0, hidden // 3 : hidden // 2] = 0
    b1[-1] = -1e3
    return params._replace(w1=w1, b1=b1), x, np.sign(np.sin(x)).astype(np.float32)


def digest(name: str, seed: int) -> str:
    """Of the bits of a gradient, an output, and of what training ends in, with the threads in this order."""
    backend = HOST[name](name)
    backend.seed = seed
    params, x, y = adversarial(200, 330)
    samples, rule = backend.samples(x, y), Adam(1e-3)
    loss, grads = backend.loss_and_grads(params, samples)
    found = [loss, *grads, backend.forward(params, x)]
    for plan in (draw_plan(330, batch=40, epochs=1), Plan(None, 330, 2)):
        state, losses = backend.train(rule.init(params), samples, rule, plan, range(plan.epochs))
        found += [losses, *state.params, *(array for moment in state.moments for array in moment)]
    return sha256(b"".join(np.asarray(array).tobytes() for array in found)).hexdigest()
