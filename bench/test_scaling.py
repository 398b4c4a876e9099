"""How far it goes: seconds of one full-batch gradient against N, from 100 to 10^8 samples, H = 512, float32.

    pytest bench/test_scaling.py --benchmark-only --profile full --backend numpy,torch-cpu

Inside the clock: K calls of `loss_and_grads` and one synchronization, divided by K. Building the samples on the device
(for hinge: sorting them and the table of their moments) is measured apart. A backend stops where its memory does not
suffice, or where its previous size predicts more than ten seconds a call; the row says so.
"""

import pytest

from bench.measure import throughput
from bench.measure.trial import Trial


@pytest.mark.work("scaling")
def test_scaling(trial: Trial) -> None:
    """Loss and all gradients of the whole data set."""
    throughput.gradient(trial)
