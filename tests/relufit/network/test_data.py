"""Sampling, splitting and plans."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relufit import Plan, RelufitError, draw_plan, sample, split, targets
from relufit.network.data import check_table


def test_sample_is_a_shuffled_linspace() -> None:
    """The seed shuffles; the points are those of linspace over the domain."""
    x, y = sample(targets.SIN, 1000, seed=1)
    assert x.shape == y.shape == (1000, 1)
    np.testing.assert_array_equal(np.sort(x[:, 0]), np.linspace(-2 * np.pi, 2 * np.pi, 1000))
    np.testing.assert_array_equal(y, np.sin(x))
    assert not np.array_equal(x, sample(targets.SIN, 1000, seed=2)[0])


def test_noise_follows_the_seed() -> None:
    """The noisy sine is a sine plus noise of its standard deviation, the same for the same seed."""
    x, y = sample(targets.NOISY_SINE, 5000)
    assert np.std(y - np.sin(x)) == pytest.approx(0.1, rel=0.05)
    np.testing.assert_array_equal(y, sample(targets.NOISY_SINE, 5000)[1])


@pytest.mark.parametrize("bad", [0, -1, 2.5, "10"])
def test_sample_refuses_bad_counts(bad: object) -> None:
    """A bad count of samples is refused with a sentence."""
    with pytest.raises(RelufitError):
        sample(targets.SIN, bad)  # type: ignore[arg-type]


@given(st.integers(1, 500), st.floats(0, 0.99))
def test_split_is_a_partition(n: int, fraction: float) -> None:
    """Every sample is in exactly one part, and train is never empty."""
    train, test = split(n, test_fraction=fraction, seed=0)
    assert len(train) >= 1
    assert len(test) == min(round(n * fraction), n - 1)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(n))


@given(st.integers(1, 200), st.integers(1, 220), st.integers(1, 4))
def test_a_plan_visits_every_sample_once_an_epoch(n: int, batch: int, epochs: int) -> None:
    """The pieces cover the epoch, the last one ragged; as many as steps_per_epoch says."""
    plan = draw_plan(n, batch=batch, epochs=epochs)
    pieces = plan.slices(n)
    assert len(pieces) == plan.steps_per_epoch(n) == -(-n // min(batch, n))
    covered = np.concatenate([np.arange(n)[piece] for piece in pieces])
    np.testing.assert_array_equal(covered, np.arange(n))
    if plan.order is None:
        assert batch >= n
    else:
        assert plan.order.shape == (epochs, n)
        for order in plan.order:
            np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_a_longer_plan_begins_with_a_shorter_one() -> None:
    """A longer plan begins with a shorter one, and first_epoch continues it, so that a run may be resumed."""
    long, short = draw_plan(50, batch=8, epochs=6, seed=3), draw_plan(50, batch=8, epochs=2, seed=3)
    rest = draw_plan(50, batch=8, epochs=4, seed=3, first_epoch=2)
    assert long.order is not None
    assert short.order is not None
    assert rest.order is not None
    np.testing.assert_array_equal(long.order, np.concatenate([short.order, rest.order]))
    assert not np.array_equal(long.order[0], long.order[1])


def test_a_full_batch_has_no_order() -> None:
    """A batch of N or more is one step an epoch."""
    assert draw_plan(10, batch=10, epochs=3) == Plan(None, 10, 3)
    assert draw_plan(10, batch=99, epochs=3) == Plan(None, 10, 3)


@pytest.mark.parametrize("bad", [{"batch": 0}, {"epochs": 0}, {"seed": -1}, {"first_epoch": -1}, {"batch": 1.5}])
def test_a_plan_refuses_bad_counts(bad: dict[str, object]) -> None:
    """A bad count is refused with a sentence."""
    with pytest.raises(RelufitError):
        draw_plan(10, **bad)  # type: ignore[arg-type]


def test_check_table_takes_lists_and_integers() -> None:
    """Vectors become columns, and everything becomes float64."""
    x, y = check_table([1, 2, 3], np.array([[1], [0], [1]], dtype=np.int8))
    assert x.shape == y.shape == (3, 1)
    assert x.dtype == y.dtype == np.float64


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        ([1, 2], [1], "2 samples"),
        ([1, np.nan], [1, 2], "row 1"),
        ([1, 2], [np.inf, 2], "row 0"),
        ([], [], "empty"),
        ([[1, 2], [3]], [1, 2], "length"),
        (["a", "b"], [1, 2], "real numbers"),
        ([1 + 1j, 2], [1, 2], "real numbers"),
        (np.zeros((2, 2, 2)), [1, 2], "shape"),
        (3.0, 4.0, "shape"),
        ([object(), 1], [1, 2], "not a number"),
        (np.ma.array([1, 2], mask=[True, False]), [1, 2], "x holds masked values"),
        ([1, 2], np.ma.array([[1], [2]], mask=[[False], [True]]), "y holds masked values"),
    ],
)
def test_check_table_names_what_is_wrong(x: object, y: object, says: str) -> None:
    """A bad table is one sentence that names the place."""
    with pytest.raises(RelufitError, match=says):
        check_table(x, y)


def test_integers_that_float64_does_not_tell_apart_are_refused() -> None:
    """Integers that are equal in float64 are refused in x and rounded in y."""
    big = 2**62 + np.arange(28)
    with pytest.raises(RelufitError, match="x holds 4611686018427387904 and 4611686018427387905, which are equal"):
        check_table(big, np.zeros(28))
    with pytest.raises(RelufitError, match="below 2\\^53"):
        check_table(np.stack([np.arange(28), -big], axis=1), np.zeros(28))
    x, _ = check_table(2**62 + 1024 * np.arange(28), big)
    assert len(np.unique(x)) == 28
