"""A service as Prometheus sees one: `python -m tests.instrumented PORT FILE`.

Each line of the file, as it is written, is so many requests: COUNT SECONDS CODE.
"""

import sys
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

registry = CollectorRegistry()
# OpenTelemetry's boundaries, in seconds: none at 300 ms.
latency = Histogram(
    "http_server_request_duration_seconds",
    "How long requests take.",
    buckets=[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    registry=registry,
)
requests = Counter("http_requests", "Requests by code.", ["code"], registry=registry)
for code in ("200", "500"):
    requests.labels(code)

start_http_server(int(sys.argv[1]), addr="127.0.0.1", registry=registry)
print("open", flush=True)
with Path(sys.argv[2]).open() as orders:
    while True:
        line = orders.readline()
        if not line.endswith("\n"):
            time.sleep(0.02)
            continue
        count, seconds, code = line.split()
        for _ in range(int(count)):
            latency.observe(float(seconds))
        requests.labels(code).inc(int(count))
