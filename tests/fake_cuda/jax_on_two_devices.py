"""A script: jax's backend on the second of two devices, of which jax makes the CPU."""

import jax
import numpy as np

from relufit import SGD, Sizes, draw_plan
from relufit.backends.jax import JaxBackend
from relufit.testing.problems import on_device, problem, refused

backend = JaxBackend("jax-cuda:1", "cpu:1")
params, x, y = problem(Sizes(40, 1, 8, 1), "float32")
start, samples = on_device(backend, params), backend.samples(x, y)
loss, grads = backend.loss_and_grads(start, samples)
state, losses = backend.train(SGD().init(start), samples, SGD(), draw_plan(40, batch=16, epochs=1), range(1))
found = [*start, samples.x, loss, *grads, backend.forward(start, samples.x), backend.stack([loss]), losses]
found += [samples.take(np.array([1, 2])).x, *state.params]
assert {device for array in found for device in array.devices()} == {jax.devices()[1]}
assert "32 bits" in backend.supports(Sizes(2**31, 1, 8, 1), "float32")
with refused("a third device", "this machine has 2 cpu devices, 0 and 1, and so no cpu:2"):
    JaxBackend("jax-cuda:2", "cpu:2")

backend.forward(start, samples.x)
backend.memory()
assert backend._computed is backend._moved is None
