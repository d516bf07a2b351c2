"""Table `ranking`: first and deep pages through the web server, at every size."""

from __future__ import annotations

import contextlib
import statistics
import time
from typing import Any

from bench import child, web
from bench.database import Server
from bench.report import Table, ratio

TITLE = "The ranking's pages of 50 through gunicorn, one request after the other"
NOTE = "deep: the page in the middle. Servers of all sizes run at once and are asked in turn."
REQUESTS = 60
PAGES = ("API first", "API deep", "page first", "page deep")


def measure(server: Server, sizes: list[int]) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        clients, found = {}, {}
        for items in sizes:
            environment = server.portfolio(items)
            paths = child.call("bench.ranking:prepare", environment)
            client = stack.enter_context(web.serve(environment, f"web-{items}"))
            clients[items] = client, paths["paths"]
            found[str(items)] = {"queries": paths["queries"], "ms": {page: [] for page in PAGES}}
        for round_ in range(REQUESTS + 5):
            for items, (client, paths) in clients.items():
                for page in PAGES:
                    start = time.perf_counter()
                    client.get(paths[page])
                    if round_ >= 5:  # processes have loaded everything by then
                        milliseconds = (time.perf_counter() - start) * 1e3
                        found[str(items)]["ms"][page].append(milliseconds)
    return found


def show(result: dict[str, Any]) -> Table:
    table = Table("page", "items", "queries", "p50 ms", "p95 ms", "p95 to 10k", "at most")
    for page in PAGES:
        first = None
        for size, found in result.items():
            times = sorted(found["ms"][page])
            p95 = times[int(len(times) * 0.95)]
            first = first or p95
            compared = size != next(iter(result))
            table.row(
                *(page, f"{int(size):,}", str(found["queries"][page])),
                *(f"{statistics.median(times):.1f}", f"{p95:.1f}"),
                ratio(p95, first, 1.5) if compared else "",
                "1.5" if compared else "",
            )
    return table


# --- In child processes ---------------------------------------------------------------------------


def prepare() -> dict[str, Any]:
    """Scores, the addresses of the pages, and how many queries each takes."""
    from urllib.parse import urlencode

    from django.conf import settings
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from bench.scoring import run
    from debtreg import keyset
    from debtreg.models import Score

    if not Score.objects.exists():
        run(reset=True)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")

    ranked = Score.objects.ranked()
    ranks = ranked.filter(state="priced")
    middle = ranks[ranks.count() // 2]
    deep = keyset.page(ranked.filter(sort_roi__lte=middle.sort_roi), size=1).next
    paths = {
        "API first": "/api/v1/ranking/",
        "API deep": f"/api/v1/ranking/?{urlencode({'cursor': deep})}",
        "page first": "/",
        "page deep": f"/?{urlencode({'cursor': deep})}",
    }
    login = web.log_in()
    settings.ALLOWED_HOSTS = ["testserver"]
    client = Client(headers={"Authorization": f"Bearer {login['token']}"})
    client.cookies["sessionid"] = login["session"]
    queries = {}
    for page, path in paths.items():
        for _ in range(2):  # the second time as ever after
            with CaptureQueriesContext(
                connection,
            ) as captured:
                answer = client.get(path)
            if answer.status_code != 200:
                raise SystemExit(f"{path}: {answer.status_code} {answer.content[:300]!r}")
        queries[page] = len(captured)
    return {"paths": paths, "queries": queries}
