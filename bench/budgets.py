"""Table `budgets`: error budgets and burn rates of all SLOs, as their readings grow older."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from bench import child, web
from bench.database import Server
from bench.report import Table, best, ratio

TITLE = "Eight windows of every SLO: the pass over readings, hours and days beside the raw rows"
NOTE = (
    "200 SLOs (20 if quick) with a reading every 5 minutes and periods of 30 days. plain: the same"
    " sums straight from the readings of the windows. Growth is against 30 days of data. Best of"
    " the repeats."
)
DAYS = [30, 90, 365]
QUICK_SLOS, SLOS = 20, 200
REPEATS = 3
ROWS = 5_000
# The cost at a year of data beside that at 30 days.
GROWTH = 1.5


def measure(server: Server, sizes: list[int]) -> dict[str, Any]:
    slos = SLOS if len(sizes) > 1 else QUICK_SLOS
    environment = server.empty("budgets")
    end = int(time.time()) // 300 * 300 - ROWS // slos * 300 * (REPEATS + 1)
    child.call("bench.budgets:catalog", environment, slos=slos)
    found: dict[str, Any] = {"slos": slos, "days": {}}
    done = 0
    for days in DAYS:
        made = child.call("bench.budgets:grow", environment, end=end, days_from=done, days_to=days)
        done = days
        passes = [child.call("bench.budgets:run", environment, end=end) for _ in range(REPEATS)]
        found["days"][str(days)] = {**best(passes), "made": made}
    found["ingest"] = ingest(environment, slos, end)
    return found


def ingest(environment: dict[str, str], slos: int, end: int) -> dict[str, list[dict[str, float]]]:
    """5,000 readings by one POST: the next steps of all SLOs, and the same once more."""
    found: dict[str, list[dict[str, float]]] = {"created": [], "unchanged": []}
    steps = ROWS // slos
    with web.serve(environment, "budgets") as client:
        for number in range(REPEATS):
            rows = [
                {
                    "slo": f"slo-{slo}",
                    "at": datetime.fromtimestamp(
                        end + (number * steps + step) * 300, UTC
                    ).isoformat(),
                    "good": 4990,
                    "total": 5000,
                }
                for step in range(steps)
                for slo in range(slos)
            ]
            text = json.dumps(rows).encode()
            for name, times in found.items():
                start = time.perf_counter()
                answer = client.call("POST", "/api/v1/readings/", text)
                times.append({"s": time.perf_counter() - start})
                if answer[name] != ROWS:
                    raise SystemExit(f"Not all readings were {name}: {json.dumps(answer)[:500]}")
    return found


def show(result: dict[str, Any]) -> Table:
    table = Table(
        "data", "readings", "pass s", "growth", "at most", "plain s", "plain / ours", "GB on disk"
    )
    first = next(iter(result["days"].values()))["s"]
    for days, one in result["days"].items():
        last = int(days) == DAYS[-1]
        table.row(
            *(f"{days} days", f"{one['readings']:,}", f"{one['s']:.3f}"),
            ratio(one["s"], first, GROWTH if last else None),
            str(GROWTH) if last else "",
            *(f"{one['plain_s']:.2f}", f"{one['plain_s'] / one['s']:.1f}", f"{one['gb']:.2f}"),
        )
    for name, times in result["ingest"].items():
        seconds = best(times)["s"]
        table.row("POST", f"{ROWS:,} {name}", f"{seconds:.2f}", f"{ROWS / seconds:,.0f}/s")
    return table


# --- In child processes ---------------------------------------------------------------------------


def catalog(*, slos: int) -> None:
    from debtreg.models import Service, Slo, Team

    team = Team.objects.create(slug="team", name="Team")
    services = Service.objects.bulk_create(
        Service(slug=f"service-{n}", name=f"Service {n}", team=team) for n in range(slos)
    )
    Slo.objects.bulk_create(
        Slo(name=f"slo-{n}", service=service, objective="0.999")
        for n, service in enumerate(services)
    )


def grow(*, end: int, days_from: int, days_to: int) -> dict[str, float]:
    """Readings of more days into the past, as they come: by time, then by SLO."""
    from django.db import connection, transaction

    from debtreg import bulk, readings
    from debtreg.models import Slo

    bounds = [datetime.fromtimestamp(end, UTC) - timedelta(days=d) for d in (days_to, days_from)]
    start = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {readings.READINGS} (slo_id, at, seconds, good, total, source,"
            " is_excluded) SELECT s.id, t, 300,"
            " (5000 - (extract(epoch FROM t)::bigint / 300 + s.id) %% 13) * 1000,"
            " 5000000, 'api', FALSE"
            " FROM generate_series(%s, %s - INTERVAL '5 minutes', INTERVAL '5 minutes') t,"
            f" {readings.SLOS} s",
            bounds,
        )
        inserted = time.perf_counter()
        readings.recompute(list(Slo.objects.values_list("pk", flat=True)), *bounds)
    rolled = time.perf_counter()
    for table in (readings.READINGS, readings.HOURS, readings.DAYS):
        bulk.analyze(table)
    return {"insert_s": inserted - start, "roll_up_s": rolled - inserted}


def run(*, end: int) -> dict[str, float]:
    """The pass as the job does it, and the same sums from raw rows."""
    from django.db import connection, transaction

    from debtreg import budgets, readings
    from debtreg.models import SloState

    now = datetime.fromtimestamp(end, UTC)
    budgets.refresh(now=now)  # connects, and fills caches
    start = time.perf_counter()
    with transaction.atomic():
        budgets.refresh(now=now)
    seconds = time.perf_counter() - start
    with connection.cursor() as cursor:
        start = time.perf_counter()
        cursor.execute(
            'SELECT w.slo_id, w."window", SUM(r.good), SUM(r.total) FROM debtreg_slostate w'
            f" JOIN {readings.READINGS} r ON r.slo_id = w.slo_id AND r.at >= w.starts_at"
            " AND r.at < w.ends_at GROUP BY 1, 2"
        )
        plain = {(slo, window): (good, total) for slo, window, good, total in cursor.fetchall()}
        plain_s = time.perf_counter() - start
        ours = {
            (slo, window): (good, total)
            for slo, window, good, total in SloState.objects.values_list(
                "slo_id", "window", "good", "total"
            )
        }
        if plain != ours:
            raise SystemExit("The sums of roll-ups and of readings differ.")
        cursor.execute(f"SELECT count(*) FROM {readings.READINGS}")
        count = cursor.fetchone()[0]
        size = 0
        for table in (readings.READINGS, readings.HOURS, readings.DAYS):
            cursor.execute("SELECT pg_total_relation_size(%s)", [table])
            size += cursor.fetchone()[0]
    return {"s": seconds, "plain_s": plain_s, "readings": count, "gb": size / 1e9}
