"""For whoever runs it: /livez, /readyz and /metrics."""

import contextlib
import hmac
import os
from collections.abc import Callable, Iterator

import structlog
from django.conf import settings
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from debtreg import parts
from debtreg.models import Job, JobState, LedgerImport, ScoringRun, WhatIf

logger = structlog.get_logger(__name__)
KINDS: dict[str, type[Job]] = {
    "scoring_run": ScoringRun,
    "ledger_import": LedgerImport,
    "what_if": WhatIf,
}


class Probes:
    """Answers the three before any other middleware: for any Host, unlogged, with no session.

    An orchestrator and a scraper ask by address, which is in no list of allowed hosts.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.views = {"/livez": livez, "/readyz": readyz, "/metrics": metrics}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = self.views.get(request.path)
        return view(request) if view else self.get_response(request)


def livez(request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all. A restart helps only where this fails."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when requests can be served: database, broker and migrations; else 503 with the part.

    A policy that is refused is told and stops nothing: the last good one stays in force, and
    where there is none, it is mended on pages that have to be served.
    """
    found = parts.read()
    ready = all(part["status"] == "ok" for name, part in found.items() if name != "policy")
    return JsonResponse(
        {"status": "ok" if ready else "failing", **found}, status=200 if ready else 503
    )


def metrics(request: HttpRequest) -> HttpResponse:
    """The Prometheus text: requests of all web processes, and jobs as of now.

    Open to whoever reaches the port, unless METRICS_TOKEN is set: it shows counts and times, no
    item and no money.
    """
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode()):
            return HttpResponse("Bearer METRICS_TOKEN is needed here.\n", status=401)
    requests: CollectorRegistry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        requests = CollectorRegistry()
        MultiProcessCollector(requests)
    jobs = CollectorRegistry()
    jobs.register(JobCollector())
    return HttpResponse(
        generate_latest(requests) + generate_latest(jobs), content_type=CONTENT_TYPE_LATEST
    )


class JobCollector:
    """Jobs and the queue, read at each scrape by two queries for each kind of job."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily(
            "debtreg_up", "1 if this part answered when it was scraped.", labels=["part"]
        )
        for part, read in (("database", _job_gauges), ("broker", _queue_gauge)):
            found: list[GaugeMetricFamily] = []
            with contextlib.suppress(*parts.FAILURES):
                found = read()
            up.add_metric([part], float(bool(found)))
            yield from found
        yield up


def _job_gauges() -> list[GaugeMetricFamily]:
    states = GaugeMetricFamily("debtreg_jobs", "Jobs by state.", labels=["kind", "state"])
    ages = GaugeMetricFamily(
        "debtreg_last_done_age_seconds", "Since a job of the kind was last done.", labels=["kind"]
    )
    for kind, model in KINDS.items():
        jobs = model._default_manager.order_by()
        counts = dict(jobs.values_list("state").annotate(Count("pk")))
        for state in JobState.values:
            states.add_metric([kind, state], counts.get(state, 0))
        last = jobs.filter(state=JobState.DONE).aggregate(last=Max("finished_at"))["last"]
        if last:  # never done: no sample, rather than an age of nothing
            ages.add_metric([kind], (timezone.now() - last).total_seconds())
    return [states, ages]


def _queue_gauge() -> list[GaugeMetricFamily]:
    length = parts.queue_length()
    return [GaugeMetricFamily("debtreg_queue_messages", "Tasks that wait for a worker.", length)]
