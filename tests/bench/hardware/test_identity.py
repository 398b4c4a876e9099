"""Which machine a number belongs to: facts that decide speed name it, others do not."""

from typing import Any

import pytest

from bench.hardware import identity

ZEN3: dict[str, Any] = {
    "cpu": "AMD EPYC", "vendor": "AuthenticAMD", "family": 25, "model": 1, "stepping": 1, "cores": 2,
    "logical_cores": 2, "usable_cores": 2, "instructions": ["avx2", "fma"], "gpus": [],
    "caches": {"l2": 2**20, "l3": 2**25},
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"family": 26, "model": 2},
        {"stepping": 2},
        {"instructions": ["avx2", "fma", "avx512f"]},
        {"caches": {"l2": 2**20, "l3": 2**24}},
        {"usable_cores": 1},
        {"quota_cores": 1.5},
        {"logical_cores": 4},
        {"gpus": ["NVIDIA T4"]},
    ],
)
def test_what_decides_speed_names_the_machine(changes: dict[str, Any]) -> None:
    """Two processors of one marketing name have two names, and so have one core of a processor and two."""
    assert identity.slug({**ZEN3, **changes}, "folder") != identity.slug(ZEN3, "folder")


def test_versions_do_not_name_the_machine() -> None:
    """A package or a driver belongs to a run: the machine stays the same one."""
    newer = {**ZEN3, "python": "CPython 3.13.0", "packages": {"numpy": "3.0"}, "memory_bytes": 1}
    assert identity.slug(newer, "folder") == identity.slug(ZEN3, "folder")
    old, new = ({**ZEN3, "gpus": [{"name": "NVIDIA T4", "driver": driver}]} for driver in ("570", "580"))
    assert identity.slug(old, "") == identity.slug(new, "") == identity.slug({**ZEN3, "gpus": ["NVIDIA T4"]}, "")


def test_the_gpu_that_is_measured_names_the_machine() -> None:
    """The slug has the measured GPU's name and no UUID; another model, or a partition, is another machine."""
    gpus = [{"name": name, "uuid": f"GPU-{name}"} for name in ("NVIDIA T4", "NVIDIA T4", "NVIDIA L4")]
    slugs = [
        identity.slug({**ZEN3, "gpus": gpus, "gpu": {"index": index, **gpu}}, "") for index, gpu in enumerate(gpus)
    ]
    assert slugs[0] == slugs[1] == identity.slug({**ZEN3, "gpus": ["NVIDIA T4", "NVIDIA T4", "NVIDIA L4"]}, "")
    assert slugs[2].startswith("nvidia-l4-amd-epyc-2-cores-")
    assert identity.in_words({**ZEN3, "gpus": gpus, "gpu": {"index": 2, **gpus[2]}}, "").startswith(
        "NVIDIA L4, AMD EPYC"
    )
    assert identity.in_words({**ZEN3, "gpus": gpus}, "").startswith("NVIDIA T4, NVIDIA T4, NVIDIA L4, AMD EPYC")
    part = {"index": 0, "uuid": "MIG-1", "name": "NVIDIA T4 MIG 1g.5gb"}
    assert identity.slug({**ZEN3, "gpus": gpus, "gpu": part}, "").startswith("nvidia-t4-mig-1g-5gb-amd-epyc-2-cores-")
    read = {**ZEN3, "gpus": ["NVIDIA T4"], "gpu": {"index": 0, "uuid": "", "name": ""}}  # of a journal without one
    assert identity.slug(read, "") == identity.slug({**ZEN3, "gpus": ["NVIDIA T4"]}, "")


def test_a_slug_is_a_name_of_a_folder() -> None:
    """It begins with the GPU, leaves out marks and clock rates, and ends with the hash."""
    machine = {**ZEN3, "cpu": "Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz", "gpus": ["NVIDIA H200"]}
    words, _, digest = identity.slug(machine, "folder").rpartition("-")
    assert words == "nvidia-h200-intel-xeon-gold-6130-2-cores"
    assert len(digest) == 6


def test_a_slug_is_short_whatever_a_journal_holds() -> None:
    """A name that somebody made long does not make the names of files too long."""
    assert len(identity.slug({**ZEN3, "cpu": "x" * 500}, "folder")) < 100


def test_an_old_journal_has_the_name_of_its_folder() -> None:
    """What holds a marketing name and a number of cores alone cannot be told from others of that name."""
    assert identity.slug({"cpu": "AMD EPYC", "cores": 2, "gpus": []}, "amd-epyc-2-cores") == "amd-epyc-2-cores"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "AMD EPYC (family 25, model 1, stepping 1), 2 cores"),
        ({"usable_cores": 1}, "AMD EPYC (family 25, model 1, stepping 1), 1 of 2 cores"),
        ({"quota_cores": 1.5}, "AMD EPYC (family 25, model 1, stepping 1), 2 cores, with a quota of 1.5"),
        ({"gpus": ["NVIDIA T4"]}, "NVIDIA T4, AMD EPYC (family 25, model 1, stepping 1), 2 cores"),
        (
            {"family": 0, "model": 0, "stepping": 0, "multiply_adds_per_second": 4.5e10},
            "AMD EPYC (45 G multiply-adds/s a core), 2 cores",
        ),
    ],
)
def test_the_heading_says_which_processor(changes: dict[str, Any], words: str) -> None:
    """Family, model and stepping follow the marketing name; cores are those that the process may use."""
    assert identity.in_words({**ZEN3, **changes}, "folder") == words
