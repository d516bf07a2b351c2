"""How many processors this process may use: its container's quota, not the machine's count."""

import os
from pathlib import Path


def available(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Whole processors, at least 1: the smaller of the CPU set and the cgroup's quota.

    A quota of one and a half processors counts as 2: the processes wait for input now and then.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota_v2(root) or _quota_v1(root)
    return max(1, min(count or 1, -int(-quota // 1) if quota else count or 1))


def _quota_v2(root: Path) -> float | None:
    """Processors by cgroup v2: `cpu.max` is "QUOTA PERIOD" in microseconds, or "max PERIOD"."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_v1(root: Path) -> float | None:
    """Processors by cgroup v1, where a quota of -1 means none."""
    try:
        quota = int((root / "cpu/cpu.cfs_quota_us").read_text())
        period = int((root / "cpu/cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
