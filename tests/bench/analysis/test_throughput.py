"""Times, rates, ratios and what training reached, from hand-made journals, and their cells."""

from pathlib import Path

import numpy as np
import pytest
from journals import followed, learned, line, make

from bench.analysis import learning, throughput
from bench.analysis.frames import focus
from bench.reporting import number_format, terminal
from bench.reporting.document import markdown
from bench.reporting.number_format import NO_BREAK
from bench.reporting.tables.learning import TRAJECTORY
from bench.reporting.tables.summary import SUMMARY_TABLE, headline, summary
from bench.reporting.tables.throughput import ENSEMBLES, REDUCED, THROUGHPUT
from bench.reporting.tables.verdicts import VERDICTS


def test_times_rates_and_speed_ups(tmp_path: Path) -> None:
    """Seconds of a call become microseconds of a step, samples per second, and a ratio to the named baseline."""
    run = make(
        tmp_path,
        line(seconds=[2e-3] * 6, steps=2),
        line("torch-cpu", seconds=[4e-3] * 6),
        line(work="forward", seconds=[4e-4] * 6, device_seconds=[1e-4]),
    )
    frame = throughput.throughput(run).set_index(["work", "backend"])
    ours = frame.loc[("gradient", "numpy")]
    assert ours.median_us == pytest.approx(1000)
    assert ours.samples_per_second == pytest.approx(800_000)
    assert ours["times_faster_than_baseline"] == pytest.approx(4)
    assert ours.error_share_of_bound == 0.5
    assert frame.loc[("forward", "numpy")].device_us == pytest.approx(100)
    assert frame.loc[("gradient", "cupy")].status == "SKIPPED"


def test_what_a_gpu_shows_beside_its_time(tmp_path: Path) -> None:
    """A GPU's row has its share of waiting, kernels a step, power and clocks, in words where they matter."""
    gpu = {"watts": 120.5, "sm_mhz": 1980, "throttled": "software power cap"}
    seen = {"device": "cuda", "device_seconds": [1e-4] * 3, "gpu": gpu, "kernels_per_step": 70.0}
    run = make(
        tmp_path,
        line("cupy-train", work="step", optimizer="adam", seconds=[1e-3] * 6, **seen),
        line("torch-cuda", work="step", optimizer="adam", seconds=[5e-3] * 6, device="cuda"),
        line("torch-cpu", work="step", optimizer="adam", seconds=[2e-3] * 6),
    )
    row = throughput.throughput(run).set_index("backend").loc["cupy-train"]
    assert row.launch_bound_share == pytest.approx(0.9)
    assert (row.gpu_watts, row.gpu_sm_mhz) == (120.5, 1980)
    assert row.baseline == "torch-cuda"
    assert row.times_faster_than_baseline == pytest.approx(5)
    text = markdown(THROUGHPUT.document(run))
    waits = "the device waits 90 % of the time at N = 800"
    assert f"(1) launch-bound: {waits}; (2) 70 kernels a step; (3) throttled at N = 800" in text
    assert row.unsound.startswith("throttled: software power cap (")
    assert text.count("launch-bound") == text.count("throttled at") == 1
    assert "* Measured under load: cupy-train, step adam N = 800: software power cap." in text.replace("\\*", "*")
    assert "What to do about the warnings: throttled: raise the quota of the container, or let the GPU cool" in text


def test_ensembles_are_networks_in_a_second(tmp_path: Path) -> None:
    """64 networks at 400 us a step for all of them, of 25 000 steps each, are 6.4 a second."""
    run = make(
        tmp_path,
        line(work="ensemble", optimizer="adam", batch=32, networks=64, seconds=[4e-2] * 6, steps=100),
        line("torch-cpu", work="ensemble", optimizer="adam", batch=32, networks=64, status="SKIPPED", reason="slow"),
    )
    assert throughput.ensembles(run).set_index("backend").loc["numpy"].networks_per_second == pytest.approx(6.4)
    text = markdown(ENSEMBLES.document(run))
    assert "64 at once" in text
    assert "| numpy     | 6.4" in text
    assert "slow" in text


def test_backward_has_the_noise_of_both(tmp_path: Path) -> None:
    """Backward is gradient minus forward, only where both were measured; its interval follows from theirs."""
    run = make(
        tmp_path,
        line(seconds=[3e-3] * 6),
        line(work="forward", seconds=[1e-3] * 6),
        line("torch-cpu", seconds=[3e-3] * 6),
        line("torch-cpu", work="forward", status="DISAGREES", reason="w1 is off", seconds=None),
    )
    frame = throughput.throughput(run).query("work == 'backward'").set_index("backend")
    assert frame.loc["numpy"].median_us == pytest.approx(2000)
    assert frame.loc["numpy"].low_us == pytest.approx(2000)
    assert frame.loc["torch-cpu"].status == "DISAGREES"
    spread = [line(seconds=[3e-3 + k * 1e-5 for k in range(6)]), line(work="forward", seconds=[1e-3, *[2e-3] * 5])]
    row = throughput.throughput(make(tmp_path, *spread)).query("work == 'backward' and backend == 'numpy'").iloc[0]
    assert (row.low_us, row.high_us) == pytest.approx((1000, 2050))


@pytest.mark.parametrize("gradient", [[0.9e-3] * 6, [0.7e-3, 0.9e-3, 1.5e-3] * 3, [1e-3] * 6, [0.9e-3, 1.1e-3]])
def test_a_difference_below_its_noise_has_no_number(gradient: list[float], tmp_path: Path) -> None:
    """Where the interval of gradient minus forward holds 0, or is below it, no table has a time or a speed-up."""
    forward = [0.8e-3, 1e-3, 1.2e-3] * 3
    run = make(tmp_path, line(seconds=gradient), line(work="forward", seconds=forward), line("torch-cpu"),
               line("torch-cpu", work="forward", seconds=[1e-4] * 6))  # fmt: skip
    row = throughput.throughput(run).query("work == 'backward' and backend == 'numpy'").iloc[0]
    assert np.isnan([row.median_us, row.low_us, row.samples_per_second, row.times_faster_than_baseline]).all()
    assert row.reason.startswith("below noise: ")
    assert number_format.time_cell(dict(row)) == "below noise"
    assert "| below noise" in markdown(THROUGHPUT.document(run))


def test_thresholds_are_reached_when_first_seen(tmp_path: Path) -> None:
    """A threshold's seconds are of the first look below it; the last and the lowest error stand apart."""
    row = learning.convergence(make(tmp_path, learned())).query("backend == 'numpy'").iloc[0]
    assert row["seconds_to_0.01"] == 1.0
    assert np.isnan(row["seconds_to_0.001"])
    assert (row.test_mse, row.lowest_test_mse, row.train_seconds, row.steps) == (2e-2, 5e-3, 1.5, 75)
    assert number_format.seconds_cell(dict(row), "seconds_to_0.01") == "1"
    assert number_format.seconds_cell(dict(row), "seconds_to_0.001") == "not reached"


def test_a_diverged_run_says_so(tmp_path: Path) -> None:
    """A run that diverged says so and keeps what it reached before."""
    seen = {"step": [25, 50], "train_seconds": [1, 2], "loss": [1.0, "inf"], "test_mse": [5e-3, "nan"]}
    run = make(tmp_path, learned(status="DIVERGED", reason="the loss was nan", **seen))
    row = dict(learning.convergence(run).query("backend == 'numpy'").iloc[0])
    assert number_format.seconds_cell(row, "seconds_to_0.01") == "1"
    assert number_format.seconds_cell(row, "seconds_to_0.0001") == "DIVERGED"


@pytest.mark.parametrize("status", ["SKIPPED", "DISAGREES", "CRASHED", "OOM"])
def test_a_case_without_a_time_shows_its_status(status: str, tmp_path: Path) -> None:
    """A case without a time shows its status in each table, never a time, never a speed-up."""
    run = make(tmp_path, line(status=status, reason="why", seconds=None, iterations=None, steps=None))
    row = throughput.throughput(run).query("backend == 'numpy'").to_dict("records")[0]
    assert number_format.time_cell(row) == status
    assert np.isnan(row["times_faster_than_baseline"])
    assert status in summary(run).to_string()


def test_the_headline_stands_beside_its_baseline(tmp_path: Path) -> None:
    """A time stands with how many times faster than torch-cpu of its run it is, or with its status."""
    run = make(
        tmp_path,
        line(work="step", batch=32, optimizer="sgd", seconds=[25e-5] * 6, steps=25),
        line("torch-cpu", work="step", batch=32, optimizer="sgd", seconds=[25e-4] * 6, steps=25),
        line(batch=2**20, seconds=[1.5] * 3),
        line("torch-cpu", batch=2**20, status="SKIPPED", reason="about 40 s a call, the limit is 10 s", seconds=None),
    )
    frame = headline(run).set_index("backend")
    assert list(frame.columns) == ["SGD step\nN=32", "gradient\nN=2^20"]
    assert frame.loc["numpy"].tolist() == ["10 us, 10x ◄", "1.5 s"]
    assert frame.loc["torch-cpu"].tolist() == ["100 us, 1x", "SKIPPED"]


@pytest.mark.parametrize(
    ("baseline", "recipe", "published"),
    [([4e-3] * 6, [9e-3] * 6, True), ([4e-3] * 6, [3.9e-3] * 6, True), ([4e-3] * 6, [3e-3] * 6, False),
     ([3e-3, 3e-3, 3e-3, 5e-3, 5e-3, 5e-3], [3e-3] * 6, True), ([4e-3] * 3, [3e-3] * 3, False)],
)  # fmt: skip
def test_no_ratio_to_a_baseline_that_is_slower_than_the_recipe(
    tmp_path: Path, baseline: list[float], recipe: list[float], published: bool
) -> None:
    """A baseline 5 % slower beyond both intervals, or by medians without them, gives no ratio."""
    run = make(
        tmp_path, line(seconds=[1e-3] * 6), line("torch-cpu", seconds=baseline), line("torch-recipe", seconds=recipe)
    )
    ours = throughput.throughput(run).query("backend == 'numpy'").iloc[0]
    assert np.isfinite(ours["times_faster_than_baseline"]) == published
    assert np.isfinite(ours.baseline_over_recipe)


def test_scaling_in_long_form(tmp_path: Path) -> None:
    """Scaling has seconds of a call against N and what was paid once; three rounds have no interval."""
    run = make(
        tmp_path,
        line(work="scaling", batch=10**6, seconds=[2.0, 1.0, 3.0], algorithm="hinge", build_seconds=0.5),
        line(
            work="scaling",
            batch=100,
            seconds=[1e-3] * 6,
            first_call_seconds=2.0,
            agreement={"gradient": {"error": 4e-4, "bound": 1e-3, "share": 0.4}},
        ),
    )
    frame = throughput.scaling(run).query("backend == 'numpy'")
    assert frame.batch.tolist() == [100, 10**6]
    assert frame.median_seconds.tolist() == [1e-3, 2.0]
    assert np.isnan(frame.low_seconds.iloc[1])
    assert frame.samples_per_second.iloc[1] == 500_000
    assert frame.build_seconds.iloc[1] == 0.5
    assert frame.first_call_seconds.iloc[0] == 2.0
    assert frame.gradient_error.iloc[0] == 4e-4
    assert frame.samples.tolist() == [100, 10**6]


def test_a_trajectory_in_long_form(tmp_path: Path) -> None:
    """A trajectory has its worst step, its first epoch with another sign and its first beyond a thousandth."""
    run = make(tmp_path, followed(), followed("numba", distance=[1e-5] * 4, flips=[0] * 4))
    rows = learning.trajectory(run).set_index("backend")
    ours, other = rows.loc["numpy"], rows.loc["numba"]
    assert (ours["share"], ours.first_flip_step, ours.first_flip_distance) == (0.2, 50, 2.5e-4)
    assert (ours.parted_step, ours.parted_flips, ours.flips_until_parted) == (75, 57, 59)
    assert (ours.steps, ours.distance, ours.pairs) == (100, 0.125, 409_600)
    assert other[["first_flip_step", "parted_step", "parted_flips", "flips_until_parted"]].isna().all()
    assert rows.loc["cupy"].status == "SKIPPED"


def test_a_trajectory_as_it_is_read(tmp_path: Path) -> None:
    """A row tells what was seen and when, or that it was not; without a result it is bare."""
    none = {"step": None, "distance": None, "flips": None}
    run = make(
        tmp_path,
        followed(),
        followed("numba", distance=[1e-5] * 4, flips=[0] * 4, step=[500, 1000, 1500, 2000]),
        followed("torch-recipe", order="own", **none),
        followed("torch-cpu", status="DIVERGED", reason="torch-cpu diverged in epoch 3", step=[25, 50],
                 distance=[1e-5, 2e-5], flips=[0, 0]),
        followed("jax-cpu", status="DISAGREES", reason="w1 is off", agreement=None, **none),
    )  # fmt: skip
    text = markdown(TRAJECTORY.document(run)).replace(NO_BREAK, " ")
    assert "### sin, adam, spread weights; H = 512, float32" in text
    cells = {
        row[0]: row[1:]
        for row in ([cell.strip() for cell in part.strip("|").split("|")] for part in text.splitlines() if "|" in part)
    }
    assert cells["numpy"] == ["0.2", "step 50", "2.5e-04", "step 75", "57 of 409 600", "59", "1.2e-01", "OK", ""]
    never = "not in 2 000 steps"
    assert cells["numba"] == ["0.2", never, "", never, "", "", "1.0e-05", "OK", ""]
    assert cells["torch-recipe"] == ["0.2", *[""] * 6, "OK", "1"]
    assert cells["torch-cpu"][1] == "not in 50 steps"
    assert cells["torch-cpu"][-2:] == ["DIVERGED", "2"]
    assert cells["jax-cpu"] == [*[""] * 7, "DISAGREES", "3"]
    assert "Notes: (1) own order; (2) torch-cpu diverged in epoch 3; (3) w1 is off." in text


def test_reduced_precision_stands_in_no_column_of_float32(tmp_path: Path) -> None:
    """Rows of bfloat16, though faster and more, are in a table of their own: main table and ratios lack them."""
    reduced = [line(name, dtype="bfloat16", batch=n, seconds=[1e-6] * 6) for name in ("numpy", "torch-cpu")
               for n in (800, 65536)]  # fmt: skip
    run = make(tmp_path, line(seconds=[2e-3] * 6), *reduced)
    assert focus(run) == (512, "float32")
    assert set(throughput.throughput(run).dtype) == {"float32"}
    shown = markdown(SUMMARY_TABLE.document(run)) + markdown(THROUGHPUT.document(run))
    assert "bfloat16" not in shown
    assert f"2{NO_BREAK}000" in shown
    frame = throughput.reduced(run).set_index(["backend", "batch"])
    assert sorted(frame.index) == [("numpy", 800), ("numpy", 65536), ("torch-cpu", 800), ("torch-cpu", 65536)]
    assert frame.loc[("numpy", 800)].times_faster_than_float32 == pytest.approx(2000)
    assert np.isnan(frame.loc[("torch-cpu", 800)].times_faster_than_float32)
    assert "bfloat16" in markdown(REDUCED.document(run))
    verdicts = VERDICTS.rows(run)
    assert set(zip(verdicts.dtype, verdicts.a, verdicts.b, strict=True)) <= {("bfloat16", "numpy", "torch-cpu")}


def test_a_run_of_reduced_precision_alone_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a run has nothing else, its table is printed, and its other tables say that there are no cases."""
    run = make(tmp_path, line(dtype="bfloat16", loss_scale=1.0, seconds=[1e-3] * 6))
    assert throughput.throughput(run).empty
    terminal.show(run)
    assert "bfloat16" in capsys.readouterr().out
    assert markdown(THROUGHPUT.document(run)) == "No cases."
