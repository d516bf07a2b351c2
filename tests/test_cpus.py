import os

import pytest

from debtreg import cpus


@pytest.fixture
def machine(monkeypatch):
    """A machine with eight processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("cpu_max", "processors"),
    [("200000 100000", 2), ("150000 100000", 2), ("20000 100000", 1), ("max 100000", 8),
     ("9900000 100000", 8), ("nonsense", 8), ("", 8)],
)  # fmt: skip
def test_a_quota_of_cgroup_v2_bounds_the_processes(cpu_max, processors, machine, tmp_path):
    (tmp_path / "cpu.max").write_text(f"{cpu_max}\n")
    assert cpus.available(tmp_path) == processors


@pytest.mark.parametrize(("quota", "processors"), [("300000", 3), ("-1", 8)])
def test_a_quota_of_cgroup_v1_bounds_them_too(quota, processors, machine, tmp_path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")
    assert cpus.available(tmp_path) == processors


def test_without_a_quota_it_is_the_processors_that_we_may_run_on(machine, tmp_path):
    assert cpus.available(tmp_path) == 8
