"""Table `bulk`: 5,000 items with 3 impacts each in one POST, beside parsing and copying them."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any

from bench import child, web
from bench.database import Server
from bench.report import Table, best, ratio

TITLE = "POST /api/v1/debts/bulk/ of 5,000 items with 3 impacts each: checked, stored, scored"
NOTE = (
    "floor: json.loads of the same body, and COPY of its rows into empty tables of the same"
    " columns without indexes. Best of the repeats, which alternate."
)
ITEMS = 5_000
REPEATS = 5


def measure(server: Server, sizes: list[int]) -> dict[str, Any]:
    environment = server.copy("posts", of=sizes[0])
    found: dict[str, Any] = {"created": [], "updated": [], "floor": []}
    with web.serve(environment, "posts") as client:
        for number in range(REPEATS):
            for name in ("created", "updated"):
                text = json.dumps(body(number, name)).encode()
                start = time.perf_counter()
                answer = client.call("POST", "/api/v1/debts/bulk/", text)
                found[name].append({"s": time.perf_counter() - start})
                if answer[name] != ITEMS:
                    raise SystemExit(f"Not all items were {name}: {json.dumps(answer)[:500]}")
            found["floor"].append(child.call("bench.bulk_post:floor", environment, number=number))
        found["mb"] = round(len(text) / 1e6, 1)
    return found


def show(result: dict[str, Any]) -> Table:
    table = Table(
        "5,000 items x 3", "MB", "s", "items/s", "floor s", "parse + copy", "ratio", "at most"
    )
    floor = best(result["floor"])
    for name in ("created", "updated"):
        seconds = best(result[name])["s"]
        table.row(
            *(name, str(result["mb"]), f"{seconds:.2f}", f"{ITEMS / seconds:,.0f}"),
            *(f"{floor['s']:.2f}", f"{floor['parse_s']:.2f} + {floor['copy_s']:.2f}"),
            *(ratio(seconds, floor["s"], 10), "10"),
        )
    return table


def body(number: int, version: str) -> dict[str, Any]:
    """What a scanner or another register would send: of a number the same items each time, of
    another version with other numbers in them.
    """
    draw = random.Random(f"{number} {version}")

    def points(size: float) -> dict[str, float]:
        return {"low": round(size * 0.6, 2), "likely": round(size, 2), "high": round(size * 2, 2)}

    def impacts() -> Iterator[dict[str, Any]]:
        yield {"kind": "toil", "frequency": points(5 * draw.paretovariate(2)), "grade": "measured"}
        yield {
            "kind": "latency",
            "share": round(draw.uniform(0.001, 0.1), 4),
            "magnitude": points(10 * draw.paretovariate(2)),
            "effectiveness": 0.9,
        }
        yield {
            "kind": "downtime",
            "frequency": points(draw.uniform(0.1, 2)),
            "share": round(draw.uniform(0.05, 1), 2),
            "magnitude": points(5 * draw.paretovariate(2)),
            "unit_price": round(draw.uniform(40, 130), 2),
            "note": "from the incident reviews of last year",
        }

    return {
        "items": [
            {
                "external_ref": f"SCAN-{number}-{row}",
                "service": f"service-{draw.randrange(200)}",
                "title": f"Finding {row} of scan {number}",
                "description": "What was taken as a short cut then, and what it does today.",
                "category": "reliability",
                "effort": {**points(draw.uniform(0.5, 20)), "unit": "person_day"},
                "confidence": "medium",
                "tags": ["scan"],
                "impacts": list(impacts()),
            }
            for row in range(ITEMS)
        ]
    }


# --- In child processes ---------------------------------------------------------------------------


def floor(*, number: int) -> dict[str, float]:
    """Parse, and copy what is there as it is."""
    from django.db import connection

    from debtreg import frames

    text = json.dumps(body(number, "created")).encode()
    with connection.cursor() as cursor:
        for name, table in (("floor_items", frames.ITEMS), ("floor_impacts", frames.IMPACTS)):
            cursor.execute(f"CREATE TABLE {name} AS SELECT * FROM {table} LIMIT 0")
        names = ["title", "description", "category", "external_ref", "confidence"]
        numbers = ["frequency", "share", "magnitude", "unit_price"]
        start = time.perf_counter()
        items = json.loads(text)["items"]
        parsed = time.perf_counter()
        efforts = [f"effort_{point}" for point in ("low", "likely", "high")]
        with cursor.copy(
            f"COPY floor_items (id, {', '.join([*names, *efforts])}, tags) FROM STDIN"
        ) as copy:
            for row, item in enumerate(items):
                effort = item["effort"]
                copy.write_row(
                    [
                        row,
                        *(item[name] for name in names),
                        *(effort["low"], effort["likely"], effort["high"]),
                        json.dumps(item["tags"]),
                    ]
                )
        points = [f"{name}_{point}" for name in numbers for point in ("low", "likely", "high")]
        with cursor.copy(
            f"COPY floor_impacts (item_id, kind, effectiveness, note, {', '.join(points)})"
            " FROM STDIN"
        ) as copy:
            for row, item in enumerate(items):
                for impact in item["impacts"]:
                    cells = [row, impact["kind"], impact.get("effectiveness"), impact.get("note")]
                    for name in numbers:
                        value = impact.get(name)
                        if isinstance(value, dict):
                            cells += [value["low"], value["likely"], value["high"]]
                        else:
                            cells += [value, value, value]
                    copy.write_row(cells)
        done = time.perf_counter()
        cursor.execute("DROP TABLE floor_items, floor_impacts")
    return {"s": done - start, "parse_s": parsed - start, "copy_s": done - parsed}
