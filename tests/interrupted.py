"""A backend that Ctrl-C interrupts, as seen by whoever calls it."""

from relufit.backends.numpy import NumpyBackend


class Interrupted(NumpyBackend):
    """Ctrl-C at the 20th gradient."""

    calls = 0

    def loss_and_grads(self, params, samples):  # type: ignore[no-untyped-def]
        """Count the calls."""
        self.calls += 1
        if self.calls == 20:
            raise KeyboardInterrupt
        return super().loss_and_grads(params, samples)
