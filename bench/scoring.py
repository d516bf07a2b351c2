"""Table `scoring`: a full scoring run beside reading and writing the same rows by COPY."""

from __future__ import annotations

import time
from typing import Any

from bench import child
from bench.database import Server
from bench.report import Table, best, ratio

TITLE = "A full scoring run: read, score, promote, write, publish"
NOTE = (
    "floor: COPY BINARY of the same columns of the same rows, as psycopg's copy loop gives them;"
    " and COPY of the same score rows into an empty table without indexes."
    " Best of the repeats, which alternate with the floor's."
)
LARGE = 1_000_000
ROUND: list[tuple[str, str, dict[str, Any]]] = [
    ("floor_read", "floor_read", {}),
    ("first", "run", {"reset": True}),
    ("floor_write", "floor_write", {}),
    ("floor_read", "floor_read", {}),
    ("unchanged", "run", {"reset": False}),
]


def measure(server: Server, sizes: list[int]) -> dict[str, Any]:
    return {str(items): _measure(server.portfolio(items), items) for items in sizes}


def _measure(environment: dict[str, str], items: int) -> dict[str, Any]:
    if items < LARGE:
        # Below a second, what a process does for the first time would be most of it.
        answer = child.call("bench.scoring:rounds", environment, count=8)
        for one in answer["first"] + answer["unchanged"]:
            one["peak_mb"] = answer["peak_mb"]
        return answer
    found: dict[str, Any] = {}
    for _ in range(3):
        for name, function, arguments in ROUND:
            one = child.call(f"bench.scoring:{function}", environment, **arguments)
            found.setdefault(name, []).append(one)
    return found


def show(result: dict[str, Any]) -> Table:
    table = Table(
        "items x 3", "run", "s", "score + promote + write", "floor s", "ratio", "at most", "peak MB"
    )
    seconds: dict[tuple[str, int], float] = {}
    for size, found in result.items():
        read, write = best(found["floor_read"]), best(found["floor_write"])
        for name, floor, target in (
            ("first", read["s"] + write["s"], 2.5),
            ("unchanged", read["s"], 1.5),
        ):
            run = best(found[name])
            seconds[name, int(size)] = run["s"]
            stages = " + ".join(f"{run['stages'][k]:.2f}" for k in ("score", "promote", "write"))
            peak = max(one["peak_mb"] for one in found[name])
            # The targets are for large portfolios; below, it is the fixed costs that count.
            table.row(
                *(f"{int(size):,}", name, f"{run['s']:.2f}", stages, f"{floor:.2f}"),
                ratio(run["s"], floor, target if int(size) == LARGE else None),
                f"{target}" if int(size) == LARGE else "",
                f"{peak:,}",
            )
    for name in ("first", "unchanged"):
        if (name, 1_000_000) in seconds and (name, 100_000) in seconds:
            table.row(
                *("100k -> 1M", name, "", "", ""),
                ratio(seconds[name, 1_000_000], seconds[name, 100_000], 11),
                *("11", ""),
            )
    return table


# --- In child processes ---------------------------------------------------------------------------

ITEM_COLUMNS = (
    "d.id, d.service_id, d.team_id, d.effort_low, d.effort_likely, d.effort_high, d.effort_unit,"
    " d.cash, d.confidence, d.revision, d.status, d.pinned, d.veto_reason, d.veto_until,"
    " s.fingerprint, s.price_fingerprint, s.revision, s.policy_version"
)
IMPACT_COLUMNS = (
    "item_id, kind, frequency_low, frequency_likely, frequency_high, share_low, share_likely,"
    " share_high, magnitude_low, magnitude_likely, magnitude_high, unit_price_low,"
    " unit_price_likely, unit_price_high, effectiveness, guarantee_id, currency, grade"
)


def rounds(*, count: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(count):
        for name, function, arguments in ROUND:
            found.setdefault(name, []).append(globals()[function](**arguments))
    return found


def floor_read() -> dict[str, Any]:
    """The same columns of the same rows, plainly."""
    from debtreg import frames

    return _read(
        f"SELECT {ITEM_COLUMNS} FROM {frames.ITEMS} d"
        f" LEFT JOIN {frames.SCORES} s ON s.item_id = d.id WHERE d.status <> 'done'",
        f"SELECT {IMPACT_COLUMNS} FROM {frames.IMPACTS}",
    )


def _read(*selects: str) -> dict[str, Any]:
    from django.db import connection

    size = 0
    with connection.cursor() as cursor:
        start = time.perf_counter()
        for select in selects:
            with cursor.copy(f"COPY ({select}) TO STDOUT (FORMAT BINARY)") as copy:
                for row in copy:
                    size += len(row)
    return {"s": time.perf_counter() - start, "mb": round(size / 1e6)}


def floor_write() -> dict[str, Any]:
    """The score rows as they are, into an empty table of the same columns."""
    from django.db import connection

    from debtreg import frames

    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE floor_of_scores (LIKE {frames.SCORES})")
        with cursor.copy(f"COPY {frames.SCORES} TO STDOUT (FORMAT BINARY)") as copy:
            data = memoryview(b"".join(bytes(row) for row in copy))
        start = time.perf_counter()
        with cursor.copy("COPY floor_of_scores FROM STDIN (FORMAT BINARY)") as copy:
            for at in range(0, len(data), 1 << 17):
                copy.write(data[at : at + (1 << 17)])
        seconds = time.perf_counter() - start
        cursor.execute("DROP TABLE floor_of_scores")
    return {"s": seconds, "mb": round(len(data) / 1e6)}


def run(*, reset: bool) -> dict[str, Any]:
    """One run, as a worker does it; with `reset` the first one ever."""
    from debtreg.actions import scores

    if reset:
        forget()
    queued = scores.request_run(by=None)
    start = time.perf_counter()
    scores.run(queued.pk, "bench")
    seconds = time.perf_counter() - start
    queued.refresh_from_db()
    return {
        "s": seconds,
        "stages": queued.seconds,
        "items": queued.items,
        "changed": queued.changed,
        "promoted": queued.promoted,
    }


def forget() -> None:
    """Take back what runs have written."""
    from django.db import connection

    from debtreg.models import BacklogEntry, RankMark, Score, ScoreChange, ScoringRun

    names = [model._meta.db_table for model in (BacklogEntry, RankMark, Score, ScoreChange)]
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(names)}")
    ScoringRun.objects.all().delete()
