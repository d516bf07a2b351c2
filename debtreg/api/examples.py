"""What a caller may send: examples of the document. Each of them works as it stands here."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer


def shown(name: str, value: Any) -> OpenApiExample:
    """An example of what may be sent."""
    return OpenApiExample(name, value=value, request_only=True)


def example(name: str, value: Any) -> Any:
    """Show an example of a body that a serializer reads."""
    return extend_schema_serializer(examples=[shown(name, value)])


TEAM = {"slug": "payments", "name": "Payments", "day_rate": "1600", "days_per_point": "0.5"}
SERVICE = {
    "slug": "payment-gateway",
    "name": "Payment gateway",
    "team": "payments",
    "criticality": "critical",
    "requests_per_year": "1400000000",
    "aliases": ["收银台网关"],
}
PRICE = {
    "service": None,
    "kind": "toil",
    "low": "150",
    "likely": "200",
    "high": "300",
    "grade": "estimated",
    "source": "Finance, 2026",
}
CONTRACT = {
    "reference": "SLA-01",
    "name": "Payments, gold",
    "guarantees": [
        {
            "metric": "p99_response_time",
            "target": "≤300ms",
            "scope": "order-api → payment-gateway",
            "penalty_clause": "每低于目标10ms,扣减SLO预算5%",
            "window": "30d",
            "objective_percent": "99.9",
            "weight": "1.5",
        }
    ],
}
CONFIRMATION = {"version": 1, "revision": 1}
AMENDMENT = {"effective_from": "2026-07-01", "target": "≤250ms"}
REGISTRY = {
    "slas": [
        {
            "id": "SLA-02",
            "metric": "availability",
            "target": "≥ 99.95 %",
            "scope": "order-api → payment-gateway",
            "penalty_clause": "below 99.95%: credit 10%; below 99%: credit 25%",
            "window": "calendar month",
        }
    ],
    "commit": True,
}
PERIOD = {
    "guarantee": 1,
    "starts_on": "2026-06-01",
    "ends_on": "2026-06-30",
    "measured": "0.3301s",
    "requests": 2_000_000,
    "source": "Dashboard of the gateway",
}
DEBT = {
    "title": "Refunds are looked up by a full table scan",
    "description": "Every refund page reads the whole table since the index was dropped.",
    "category": "database",
    "effort": {"low": "2", "likely": "3", "high": "6", "unit": "person_day"},
    "cash": "0",
    "confidence": "medium",
    "impacts": [
        {
            "kind": "latency",
            "frequency": "36000000",
            "share": "0.03",
            "magnitude": {"low": 80, "likely": 180, "high": 400},
            "unit_price": "0.00002",
            "grade": "measured",
        },
        {"kind": "toil", "frequency": 60, "effectiveness": "0.9"},
    ],
    "tags": ["refunds"],
    "external_ref": "scanner:refunds:17",
}
SCENARIO = {
    "name": "Refund avalanche",
    "description": "A slow bank holds all connections, and the retries take the gateway along.",
    "trigger_rate": "1.5",
    "loss": {"low": "60000", "likely": "90000", "high": "180000"},
    "grade": "inferred",
    "source": "Review of the incident in March",
    "members": [{"debt": "DEBT-1", "role": "gate", "effectiveness": "0.8"}],
}
BULK = {"items": [DEBT, {"external_ref": "scanner:refunds:18", "title": "No retry"}]}
ITERATION = {
    "team": "payments",
    "name": "Sprint 12",
    "starts_on": "2026-11-02",
    "ends_on": "2026-11-13",
    "capacity_days": "10",
}
ROI = {
    "effort": "2",
    "day_rate": "1600",
    "cash": "0",
    "contingency": "0.15",
    "weights": {"latency": "1.5"},
    "impacts": [
        {
            "kind": "latency",
            "frequency": "120000000",
            "share": "0.03",
            "magnitude": "180",
            "unit_price": "0.00002",
        }
    ],
}
POLICY = {
    "note": "Latency counts half as much again.",
    "payload": {
        "weights": {
            "latency": 1.5,
            "errors": 1,
            "downtime": 1,
            "credits": 1,
            "compliance": 1,
            "toil": 1,
            "drag": 1,
            "stated": 1,
        },
        "contingency": {"high": 0, "medium": 0.15, "low": 0.3, "none": 0},
        "threshold": 3,
        "demote_below": 2.5,
        "min_confidence": 0,
        "priority": {
            "p0_budget_share": 0.25,
            "p0_scenario_share": 0.02,
            "p1_budget_share": 0.1,
            "p1_cost_share": 0.02,
            "negligible_share": 0.0001,
        },
    },
}
INVERSION = {
    "target_percent": "99.99",
    "period_days": "365",
    "recovery_seconds": "480",
    "impact": "1",
    "open_seconds": "30",
}
PENALTY = {
    "target": "≤300ms",
    "measured": "0.35s",
    "requests": 2_000_000,
    "clause": "每低于目标10ms,扣减SLO预算5%",
    "objective_percent": "99.9",
    "period_days": "30",
}
CREDIT = {
    "target": ">=99.9%",
    "measured": "99.5%",
    "requests": 2_000_000,
    "clause": {
        "tiers": [
            {"below_percent": "99.9", "credit_percent": "10"},
            {"below_percent": "99", "credit_percent": "25"},
        ]
    },
    "fee": "80000",
}
BURN_RATE = {
    "objective_percent": "99.9",
    "good": 985_600,
    "total": 1_000_000,
    "window_seconds": 3600,
    "period_days": "30",
}
BREAKER = {
    "objective_percent": "99.99",
    "period_days": "365",
    "recovery_seconds": "480",
    "failure_threshold": 6,
    "call_timeout_ms": 300,
    "open_seconds": "60",
    "half_open_probes": 1,
}
DECISION = {"reason": "The service is replaced in May.", "until": "2027-05-31"}
READING = {
    "impact": 1,
    "side": "before",
    "starts_on": "2025-01-01",
    "ends_on": "2025-03-14",
    "frequency": "12.5",
    "grade": "measured",
    "note": "Hours booked on tickets of refunds.",
}
READINGS = {
    "readings": [
        {**READING, "debt": "DEBT-1"},
        {
            "debt": "DEBT-1",
            "impact": 1,
            "side": "after",
            "starts_on": "2025-06-01",
            "ends_on": "2025-08-12",
            "amount": "150.00",
            "grade": "measured",
        },
    ]
}
SLI_READINGS = {
    "readings": [
        {
            "slo": "checkout-availability",
            "at": "2026-03-01T10:05:00Z",
            "seconds": 300,
            "good": "4990",
            "total": "5000",
        },
        {"slo": "checkout-availability", "at": "2026-03-01T10:10:00Z", "good": 0, "total": 0},
    ],
    "partial": True,
}
SLO = {
    "name": "payment-gateway-availability",
    "title": "Payments get an answer",
    "service": "payment-gateway",
    "kind": "availability",
    "objective_percent": "99.95",
    "window": {"kind": "month", "month_basis": "calendar", "time_zone": "Asia/Shanghai"},
    "good_query": 'sum(increase(http_requests_total{code!~"5.."}[{{.window}}]))',
    "total_query": "sum(increase(http_requests_total[{{.window}}]))",
}
MAINTENANCE = {
    "service": "payment-gateway",
    "starts_at": "2026-11-28T01:00:00+08:00",
    "ends_at": "2026-11-28T03:00:00+08:00",
    "reason": "Move to the new database",
}
SLO_FILE = {
    "text": """apiVersion: openslo/v1
kind: SLO
metadata: {name: payment-gateway-availability}
spec:
  service: payment-gateway
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  objectives: [{target: 0.9995}]
""",
    "dry_run": True,
}
CONNECTION = {
    "name": "production",
    "url": "https://prometheus.example.org",
    "auth": "bearer",
    "secret": "the token that it wants",
    "step_seconds": 300,
}
