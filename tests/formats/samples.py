"""Small documents, and what tests ask of what was read of them."""

from copy import deepcopy
from typing import Any

from debtreg import formats
from debtreg.formats import documents, openslo_export

GOOD = 'sum(increase(http_requests_total{code!~"5.."}[{{.window}}]))'
TOTAL = "sum(increase(http_requests_total[{{.window}}]))"


def metric(query: str, **source: Any) -> dict[str, Any]:
    return {"metricSource": {**source, "spec": {"query": query}}}


def an_slo(
    objective: dict[str, Any] | None = None,
    window: dict[str, Any] | None = None,
    *,
    name: str = "web-availability",
    **spec: Any,
) -> dict[str, Any]:
    """OpenSLO v1 as it should be, but for what is asked to be otherwise."""
    return {
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": {"name": name},
        "spec": {
            "service": "web",
            "indicator": {
                "metadata": {"name": name},
                "spec": {
                    "ratioMetric": {
                        "counter": True,
                        "good": metric(GOOD, type="Prometheus"),
                        "total": metric(TOTAL, type="Prometheus"),
                    }
                },
            },
            "timeWindow": [window or {"duration": "30d", "isRolling": True}],
            "budgetingMethod": "Occurrences",
            "objectives": [objective or {"target": 0.999}],
            **deepcopy(spec),
        },
    }


def read(*values: Any, source_format: str = "") -> formats.Contents:
    """Of values or texts."""
    texts = [each if isinstance(each, str) else documents.dump(each) for each in values]
    return formats.read("\n---\n".join(texts), source_format)


def said(contents: formats.Contents, level: str = "") -> dict[str, str]:
    """Field -> what is said of it."""
    return {
        each.field: f"{each.message} {each.hint}".strip()
        for each in contents.findings
        if level in ("", each.level)
    }


def written(contents: formats.Contents) -> str:
    text, _ = openslo_export.write(contents.slos, contents.services, contents.kept)
    return text


def facts(contents: formats.Contents) -> list[tuple[Any, ...]]:
    """All that would be stored."""
    slos = [
        (
            each.name,
            each.service,
            each.values,
            each.source_format,
            each.connection,
            each.guarantee,
            documents.storable(each.kept),
        )
        for each in contents.slos
    ]
    return sorted(slos, key=lambda each: each[0])
