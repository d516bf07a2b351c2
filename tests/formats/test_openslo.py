"""OpenSLO comes in leniently and goes out strictly, and nothing is lost between."""

import json
from decimal import Decimal

import pytest

from debtreg.formats import documents, openslo_export, openslo_rules
from debtreg.formats.entries import SloEntry
from tests.formats.samples import GOOD, TOTAL, an_slo, facts, metric, read, said, written

CALENDAR = {"startTime": "2026-01-01 00:00:00", "timeZone": "Asia/Shanghai"}


def values(*given):
    contents = read(*given)
    assert not said(contents, "error"), said(contents)
    return contents.slos[0].values


def test_a_correct_slo_is_read_without_a_finding():
    contents = read(an_slo())

    assert contents.findings == []
    (entry,) = contents.slos
    assert (entry.name, entry.service, entry.connection) == ("web-availability", "web", "")
    assert entry.values == {
        "title": "",
        "description": "",
        "kind": "availability",
        "objective": Decimal("0.999"),
        "window": "rolling",
        "window_days": 30,
        "month_basis": "calendar",
        "time_zone": "UTC",
        "method": "occurrences",
        "slice_seconds": None,
        "slice_target": None,
        "threshold_ms": None,
        "good_query": GOOD,
        "bad_query": "",
        "total_query": TOTAL,
        "buckets_query": "",
        "quantile_query": "",
    }
    assert entry.kept == {}


# --- Traps that are in the wild -------------------------------------------------------------------


def test_a_start_time_without_quotes_stays_text_without_a_zone():
    text = documents.dump(
        an_slo(window={"duration": "1M", "isRolling": False, "calendar": CALENDAR})
    ).replace("'2026-01-01 00:00:00'", "2022-05-01 00:00:00")
    contents = read(text)

    assert said(contents) == {}
    kept = contents.slos[0].kept["spec"]["timeWindow"][0]["calendar"]
    assert kept == {"startTime": "2022-05-01 00:00:00"}
    assert "startTime: '2022-05-01 00:00:00'" in written(contents)


def test_a_start_time_within_a_month_is_kept_and_reported():
    calendar = {**CALENDAR, "startTime": "2022-01-15 12:00:00"}
    contents = read(an_slo(window={"duration": "1M", "isRolling": False, "calendar": calendar}))

    assert (
        "first of a month at midnight"
        in said(contents, "warning")["spec.timeWindow[0].calendar.startTime"]
    )


@pytest.mark.parametrize(
    ("duration", "window"),
    [("1M", "month"), ("1Q", "quarter"), ("3M", "quarter"), ("1Y", "year"), ("12M", "year")],
)
def test_calendar_windows_are_months_quarters_and_years(duration, window):
    found = values(an_slo(window={"duration": duration, "isRolling": False, "calendar": CALENDAR}))

    assert (found["window"], found["window_days"]) == (window, None)
    assert found["time_zone"] == "Asia/Shanghai"


def test_a_window_of_1m_is_a_minute_and_is_refused_with_what_is_meant():
    objective = {"target": 0.995, "timeSliceTarget": 0.99, "timeSliceWindow": "1m"}
    window = {"duration": "1m", "isRolling": False, "calendar": CALENDAR}
    contents = read(an_slo(objective, window, budgetingMethod="Timeslices"))

    assert contents.slos == []
    text = said(contents, "error")["spec.timeWindow[0].duration"]
    assert "no longer than a slice of 1 min" in text
    assert "write 1M: m is minutes, M is months" in text


def test_a_window_of_minutes_without_slices_is_refused_too():
    contents = read(an_slo(window={"duration": "5m", "isRolling": True}))

    assert "write 5M" in said(contents, "error")["spec.timeWindow[0].duration"]


@pytest.mark.parametrize(("duration", "days"), [("4w", 28), ("48h", 2), ("90d", 90)])
def test_rolling_windows_are_days(duration, days):
    assert values(an_slo(window={"duration": duration, "isRolling": True}))["window_days"] == days


def test_a_rolling_month_is_thirty_days_and_says_so():
    contents = read(an_slo(window={"duration": "1M", "isRolling": True}))

    assert contents.slos[0].values["window_days"] == 30
    assert said(contents, "warning") == {
        "spec.timeWindow[0].duration": "Rolling, 1M is taken as 30 days."
    }


def test_a_calendar_week_becomes_rolling_days_and_says_so():
    contents = read(an_slo(window={"duration": "1w", "isRolling": False, "calendar": CALENDAR}))

    assert contents.slos[0].values["window_days"] == 7
    assert "7 rolling days" in said(contents, "warning")["spec.timeWindow[0].duration"]
    assert contents.slos[0].kept["spec"]["timeWindow"][0]["calendar"] == {
        "timeZone": "Asia/Shanghai"
    }


def test_a_time_zone_that_there_is_not_is_refused():
    calendar = {**CALENDAR, "timeZone": "Asia/Atlantis"}
    contents = read(an_slo(window={"duration": "1M", "isRolling": False, "calendar": calendar}))

    assert "Asia/Atlantis" in said(contents, "error")["spec.timeWindow[0].calendar.timeZone"]


def test_op_beside_a_ratio_is_taken_with_a_warning_and_goes_out_in_an_annotation():
    contents = read(an_slo({"op": "gt", "target": 0.999}))

    assert "thresholdMetric" in said(contents, "warning")["spec.objectives[0].op"]
    text = written(contents)
    (document,) = [each for each in documents.load(text) if each.value["kind"] == "SLO"]
    assert document.value["spec"]["objectives"] == [{"target": Decimal("0.999")}]
    assert facts(read(text)) == facts(contents)


@pytest.mark.parametrize(
    ("objective", "ratio"),
    [
        ({"target": "0.99"}, "0.99"),
        ({"target": Decimal("0.9995")}, "0.9995"),
        ({"targetPercent": Decimal("99.95")}, "0.9995"),
        ({"targetPercent": "99.9"}, "0.999"),
        ({"targetPercent": Decimal("98.5")}, "0.985"),
        ({"target": Decimal("99.5")}, "0.995"),
        ({"target": Decimal("0.9990000000000001")}, "0.999"),
    ],
)
def test_targets_are_exact_ratios_however_they_are_written(objective, ratio):
    assert values(an_slo(objective))["objective"] == Decimal(ratio)


@pytest.mark.parametrize(
    ("objective", "field", "text"),
    [
        ({"target": "0.99"}, "target", "without quotes"),
        ({"target": 99.5}, "target", "99.5 is taken as 99.5 %"),
        ({"targetPercent": Decimal("0.999")}, "targetPercent", "If a ratio is meant"),
        ({"target": Decimal("0.9990000000000001")}, "target", "rounded to 0.999"),
    ],
)
def test_targets_that_are_bent_say_so(objective, field, text):
    contents = read(an_slo(objective))

    found = [each for each in contents.findings if each.field == f"spec.objectives[0].{field}"]
    assert any(text in each.message for each in found), found
    assert {each.level for each in found} == {"warning"}


@pytest.mark.parametrize(
    ("objective", "text"),
    [
        ({"target": 1}, "no error budget"),
        ({"targetPercent": 100}, "no error budget"),
        ({"target": 0}, "more than 0"),
        ({"target": "much"}, "no number"),
        ({"target": True}, "no number"),
        ({}, "no target"),
        ({"target": 0.99, "targetPercent": 98}, "different things"),
    ],
)
def test_targets_that_can_not_be_are_refused(objective, text):
    contents = read(an_slo(objective or {"displayName": "x"}))

    assert contents.slos == []
    assert text in " ".join(said(contents, "error").values())


def test_names_that_break_the_rules_are_mended_and_the_old_one_is_the_title():
    contents = read(an_slo(name="Web_Availability.99"))

    assert contents.slos[0].name == "web-availability-99"
    assert contents.slos[0].values["title"] == "Web_Availability.99"
    assert "is called 'web-availability-99' here" in said(contents, "warning")["metadata.name"]


def test_a_name_without_letters_is_refused():
    contents = read(an_slo(name="可用性"))

    assert contents.slos == []
    assert "metadata.name" in said(contents, "error")


def test_a_name_of_seventy_letters_is_cut():
    assert read(an_slo(name="a" * 70)).slos[0].name == "a" * 63


@pytest.mark.parametrize("version", ["openslo.com/v1", "openslo/v1alpha", "openslo.com/v2alpha"])
def test_other_versions_are_read_with_a_warning(version):
    contents = read(an_slo() | {"apiVersion": version})

    assert len(contents.slos) == 1
    assert version in said(contents, "warning")["apiVersion"]


def test_a_version_that_is_not_known_is_refused():
    contents = read(an_slo() | {"apiVersion": "openslo/v9"}, source_format="openslo")

    assert contents.slos == []
    assert "apiVersion" in said(contents, "error")


def test_the_first_alpha_has_units_and_ratios_in_its_objectives():
    contents = read(
        """
apiVersion: openslo/v1alpha
kind: SLO
metadata: {name: old}
spec:
  service: web
  timeWindows:
    - unit: Month
      count: 1
      isRolling: false
      calendar: {startTime: 2020-01-01 00:00:00, timeZone: Asia/Shanghai}
  budgetingMethod: Occurrences
  objectives:
    - target: 0.95
      ratioMetrics:
        incremental: true
        good: {source: prometheus, queryType: promql, query: "sum(increase(a[{{.window}}]))"}
        total: {source: prometheus, queryType: promql, query: "sum(increase(b[{{.window}}]))"}
"""
    )

    found = contents.slos[0].values
    assert (found["window"], found["time_zone"]) == ("month", "Asia/Shanghai")
    assert found["good_query"] == "sum(increase(a[{{.window}}]))"
    assert found["total_query"] == "sum(increase(b[{{.window}}]))"


def test_the_second_alpha_has_other_names_for_references():
    contents = read(
        """
apiVersion: openslo.com/v2alpha
kind: SLO
metadata: {name: web}
spec:
  serviceRef: web
  sli:
    metadata: {name: web}
    spec:
      ratioMetric:
        counter: true
        good: {dataSourceRef: main, spec: {query: "a[{{.window}}]"}}
        total: {dataSourceRef: main, spec: {query: "b[{{.window}}]"}}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.95}]
"""
    )

    (entry,) = contents.slos
    assert (entry.service, entry.connection) == ("web", "main")
    assert entry.values["good_query"] == "a[{{.window}}]"


def test_labels_may_be_texts_or_lists():
    slo = an_slo()
    slo["metadata"]["labels"] = {"team": "a", "env": ["prod", "test"], "tier": 1}
    contents = read(slo)

    assert contents.slos[0].kept["metadata"]["labels"] == slo["metadata"]["labels"]
    assert list(said(contents)) == ["metadata.labels.tier"]


def test_a_file_may_be_one_object_a_list_or_several_documents():
    one, other = an_slo(name="one"), an_slo(name="other")

    for contents in (
        read([one, other]),
        read(one, other),
        read({"kind": "List", "items": [one, other]}),
    ):
        assert [each.name for each in contents.slos] == ["one", "other"]
    assert [each.name for each in read(one).slos] == ["one"]


def test_findings_name_document_line_field_and_what_to_do():
    contents = read(an_slo(name="fine"), an_slo({"target": 1}, name="full"))

    (finding,) = [each for each in contents.findings if each.level == "error"]
    assert (finding.document, finding.kind, finding.name) == (2, "SLO", "full")
    lines = f"{documents.dump(an_slo(name='fine'))}\n---\n".count("\n")
    text = documents.dump(an_slo({"target": 1}, name="full")).splitlines()
    assert text[finding.line - lines - 1].strip() == "- target: 1"
    assert finding.field == "spec.objectives[0].target"
    assert finding.hint == "Take one below it, as 0.9999."


def test_kind_datasource_is_taken_for_data_source_and_secrets_are_not_kept():
    contents = read(
        an_slo(),
        {
            "apiVersion": "openslo/v1",
            "kind": "Datasource",
            "metadata": {"name": "main"},
            "spec": {
                "type": "Prometheus",
                "connectionDetails": {"url": "http://prometheus:9090", "apiToken": "s3cret"},
            },
        },
    )

    (kept,) = contents.kept
    assert kept.kind == "DataSource"
    assert kept.value["spec"]["connectionDetails"] == {"url": "http://prometheus:9090"}
    assert said(contents, "warning").keys() == {"kind", "spec.connectionDetails.apiToken"}
    assert "s3cret" not in str(contents.findings)


def test_secrets_are_found_at_any_depth_under_any_name_and_in_addresses():
    contents = read(
        an_slo(),
        {
            "apiVersion": "openslo/v1",
            "kind": "DataSource",
            "metadata": {"name": "main", "annotations": {"jira/project-key": "PAY"}},
            "spec": {
                "type": "Prometheus",
                "connectionDetails": {
                    "url": "https://u:s3cret@h/api?token=s3cret&tenant=7",
                    "bearer": "s3cret",
                    "authorization": "Bearer s3cret",
                    "pwd": 53,
                    "useAuth": True,
                    "headers": {"Authorization": "Bearer s3cret", "token": "s3cret"},
                    "more": [{"deep": {"X-Auth": "s3cret"}}, {"name": "apiKey", "value": "s3cret"}],
                    "args": ["--user", "Basic s3cret"],
                },
            },
        },
    )

    (kept,) = contents.kept
    assert kept.value["metadata"]["annotations"] == {"jira/project-key": "PAY"}
    assert kept.value["spec"]["connectionDetails"] == {
        "url": "https://h/api?token=&tenant=7",
        "useAuth": True,
        "more": [{"deep": {}}, {"name": "apiKey"}],
        "args": ["--user", ""],
    }
    assert {field.removeprefix("spec.connectionDetails.") for field in said(contents)} == {
        *("url", "bearer", "authorization", "pwd", "headers"),
        *("more[0].deep.X-Auth", "more[1].value", "args[1]"),
    }
    assert "s3cret" not in str(contents.findings)


def test_secrets_that_travel_in_an_annotation_are_not_kept_either():
    parts = {"parts": [[["spec", "extra"], {"token": "s3cret", "team": "web"}]]}
    value = an_slo()
    value["metadata"]["annotations"] = {"debtreg.io/kept": json.dumps(parts)}

    contents = read(value)

    assert contents.slos[0].kept["spec"]["extra"] == {"team": "web"}
    assert "metadata.annotations.debtreg.io/kept.spec.extra.token" in said(contents, "warning")


ALERTS = """
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: burns}
spec:
  severity: page
  condition: {kind: burnrate, op: lte, threshold: 2, lookbackWindow: 1h, alertAfter: 5m}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: policy}
spec:
  alertWhenBreaching: true
  conditions: [{conditionRef: burns}]
  notificationTargets: [{targetRef: mail}]
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: mail}
spec: {target: email}
"""


def test_alerts_are_kept_and_written_back():
    contents = read(ALERTS, an_slo(alertPolicies=[{"alertPolicyRef": "policy"}]))

    assert contents.findings == []
    assert {each.kind for each in contents.kept} == {
        "AlertCondition",
        "AlertPolicy",
        "AlertNotificationTarget",
    }
    text = written(contents)
    assert "alertPolicyRef: policy" in text
    assert "lookbackWindow: 1h" in text
    assert read(text).findings == []


def test_alerts_that_v1_does_not_allow_are_kept_but_not_written():
    broken = (
        ALERTS.replace("1h", "-1h")
        .replace("op: lte, ", "")
        .replace("[{conditionRef: burns}]", "[{conditionRef: a}, {conditionRef: b}]")
    )
    contents = read(broken)

    assert said(contents, "warning") == {
        "spec.condition.op": "This is missing.",
        "spec.condition.lookbackWindow": "A duration is a number and m (minutes), h, d, w, M"
        " (months), Q or Y, as 30d.",
        "spec.conditions": "A policy has exactly one condition.",
    }
    assert len(contents.kept) == 3
    text, findings = openslo_export.write([], [], contents.kept)
    assert [each.value["kind"] for each in documents.load(text)] == ["AlertNotificationTarget"]
    assert {each.name for each in findings} == {"burns", "policy"}


def test_several_objectives_become_slos_of_their_own():
    contents = read(
        an_slo(
            objectives=[
                {"displayName": "Internal", "target": 0.999},
                {"displayName": "SLA", "target": 0.99},
                {"target": 0.9},
            ]
        )
    )

    assert [each.name for each in contents.slos] == [
        "web-availability",
        "web-availability-sla",
        "web-availability-3",
    ]
    assert [each.values["objective"] for each in contents.slos] == [
        Decimal("0.999"),
        Decimal("0.99"),
        Decimal("0.9"),
    ]


def test_one_objective_that_can_not_be_does_not_take_the_others_along():
    contents = read(an_slo(objectives=[{"target": 1}, {"displayName": "SLA", "target": 0.99}]))

    assert [each.name for each in contents.slos] == ["web-availability-sla"]


# --- Indicators -----------------------------------------------------------------------------------


def ratio(**parts):
    return {"metadata": {"name": "web-availability"}, "spec": {"ratioMetric": parts}}


def test_what_asks_for_bad_events_is_an_error_ratio():
    found = values(an_slo(indicator=ratio(counter=True, bad=metric(GOOD), total=metric(TOTAL))))

    assert (found["kind"], found["bad_query"], found["good_query"]) == ("error_ratio", GOOD, "")


@pytest.mark.parametrize(
    ("name", "bucket", "milliseconds"),
    [("http_duration_seconds_bucket", "0.3", 300), ("http_duration_ms_bucket", "250", 250)],
)
def test_a_bucket_of_a_histogram_is_a_latency_with_its_threshold(name, bucket, milliseconds):
    good = f'sum(increase({name}{{le="{bucket}"}}[{{{{.window}}}}]))'
    found = values(an_slo(indicator=ratio(counter=True, good=metric(good), total=metric(TOTAL))))

    assert (found["kind"], found["threshold_ms"]) == ("latency", milliseconds)


def test_an_sli_of_the_file_is_written_into_the_slo_that_names_it():
    slo = an_slo()
    indicator = slo["spec"].pop("indicator")
    slo["spec"]["indicatorRef"] = "requests"
    sli = {"apiVersion": "openslo/v1", "kind": "SLI", "spec": indicator["spec"]}
    contents = read(slo, sli | {"metadata": {"name": "requests"}})

    assert contents.slos[0].values["good_query"] == GOOD
    assert contents.kept == []
    assert [each.level for each in contents.findings] == ["note"]


def test_an_sli_that_is_not_there_leaves_the_slo_without_queries():
    slo = an_slo(indicatorRef="requests")
    del slo["spec"]["indicator"]
    contents = read(slo)

    assert contents.slos[0].values["total_query"] == ""
    assert "no SLI 'requests'" in said(contents, "warning")["spec.indicatorRef"]
    assert "indicatorRef: requests" in written(contents)


def test_queries_without_the_window_are_taken_but_not_fetched():
    parts = {
        name: metric("sum(http_requests)", metricSourceRef="main") for name in ("good", "total")
    }
    contents = read(an_slo(indicator=ratio(counter=True, **parts)))

    (entry,) = contents.slos
    assert (entry.values["good_query"], entry.connection) == ("sum(http_requests)", "")
    assert "{{.window}}" in said(contents, "warning")["spec.indicator.spec.ratioMetric"]


def test_queries_for_other_sources_are_kept_and_not_asked():
    parts = {name: metric("avg:trace.hits", type="Datadog") for name in ("good", "total")}
    contents = read(an_slo(indicator=ratio(counter=True, **parts)))

    assert contents.slos[0].values["total_query"] == ""
    assert "Datadog" in said(contents, "warning")["spec.indicator.spec.ratioMetric"]
    assert facts(read(written(contents))) == facts(contents)


def test_a_ready_made_ratio_is_kept_and_not_asked():
    contents = read(an_slo(indicator=ratio(rawType="success", raw=metric("job:ratio"))))

    assert contents.slos[0].values["total_query"] == ""
    assert "can't be added up" in said(contents, "warning")["spec.indicator.spec.ratioMetric.raw"]
    assert "query: job:ratio" in written(contents)


def test_a_threshold_metric_in_seconds_is_a_latency_in_milliseconds():
    query = "histogram_quantile(0.95, http_request_duration_seconds_bucket)"
    indicator = {"metadata": {"name": "x"}, "spec": {"thresholdMetric": metric(query)}}
    contents = read(an_slo({"op": "lte", "value": 0.3, "target": 0.99}, indicator=indicator))

    found = contents.slos[0].values
    assert (found["kind"], found["threshold_ms"], found["total_query"]) == ("latency", 300, "")
    assert facts(read(written(contents))) == facts(contents)


def test_ratio_timeslices_are_counted_as_occurrences_and_stay_what_they_are():
    contents = read(
        an_slo({"target": 0.99, "timeSliceWindow": "5m"}, budgetingMethod="RatioTimeslices")
    )

    assert contents.slos[0].values["method"] == "occurrences"
    assert "spec.budgetingMethod" in said(contents, "warning")
    assert "budgetingMethod: RatioTimeslices" in written(contents)


@pytest.mark.parametrize(("window", "seconds"), [("5m", 300), (5, 300), ("1h", 3600), ("10m", 600)])
def test_timeslices_are_whole_minutes(window, seconds):
    objective = {"target": 0.99, "timeSliceTarget": 0.95, "timeSliceWindow": window}
    found = values(an_slo(objective, budgetingMethod="Timeslices"))

    assert (found["method"], found["slice_seconds"]) == ("timeslices", seconds)
    assert found["slice_target"] == Decimal("0.95")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"timeSliceWindow": "7m"}, "Window"),
        ({"timeSliceTarget": 0}, "Target"),
        ({"timeSliceTarget": None}, "Target"),
        ({"timeSliceWindow": "2h"}, "Window"),
    ],
)
def test_timeslices_that_can_not_be_counted_are_refused(change, field):
    objective = {"target": 0.99, "timeSliceTarget": 0.95, "timeSliceWindow": "5m", **change}
    contents = read(an_slo(objective, budgetingMethod="Timeslices"))

    assert contents.slos == []
    assert list(said(contents, "error")) == [f"spec.objectives[0].timeSlice{field}"]


# --- There and back -------------------------------------------------------------------------------


def awkward():
    """An SLO with something at every place that no column holds."""
    slo = an_slo(
        {"displayName": "Good", "op": "gt", "target": Decimal("0.9995"), "note": Decimal("0.10")},
        {"duration": "1M", "isRolling": False, "calendar": {**CALENDAR, "week": 1}},
        description="x" * 2000,
        alertPolicies=[
            {"alertPolicyRef": "Not_A_Name"},
            {"alertPolicyRef": "fine"},
            {"kind": "AlertPolicy", "metadata": {"name": "inline"}, "spec": {"conditions": []}},
        ],
        owner="team",
    )
    slo["metadata"] |= {
        "displayName": "x" * 100,
        "labels": {"env": ["prod"]},
        "annotations": {"example.org/board": "https://example.org/d/1"},
        "colour": "red",
    }
    slo["spec"]["indicator"]["metadata"] = {"name": "requests", "displayName": "Requests"}
    slo["spec"]["indicator"]["spec"]["ratioMetric"]["good"]["metricSource"]["spec"]["step"] = 60
    slo["extra"] = [1, {"a": None}]
    return slo


def every_kind_of_slo():
    slices = {"target": 0.995, "timeSliceTarget": 0.95, "timeSliceWindow": "5m"}
    calendar = {"isRolling": False, "calendar": CALENDAR}
    seconds = 'sum(increase(h_seconds_bucket{le="0.3"}[{{.window}}]))'
    return [
        an_slo(name="plain"),
        an_slo(slices, name="slices", budgetingMethod="Timeslices"),
        an_slo(name="month", window={"duration": "1M", **calendar}),
        an_slo(name="quarter", window={"duration": "1Q", **calendar}),
        an_slo(name="year", window={"duration": "1Y", **calendar}),
        an_slo(name="bad", indicator=ratio(counter=True, bad=metric(GOOD), total=metric(TOTAL))),
        an_slo(
            name="latency",
            indicator=ratio(
                counter=True,
                good=metric(seconds, metricSourceRef="main"),
                total=metric(TOTAL, metricSourceRef="main"),
            ),
        ),
        an_slo(name="gauge", indicator=ratio(good=metric(GOOD), total=metric(TOTAL))),
    ]


@pytest.mark.parametrize(
    "given",
    [*every_kind_of_slo(), awkward(), [awkward(), *every_kind_of_slo()]],
    ids=lambda each: each["metadata"]["name"] if isinstance(each, dict) else "all",
)
def test_what_is_written_says_the_same_and_is_the_same_each_time(given):
    first = read(given)
    text = written(first)
    second = read(text)

    assert facts(second) == facts(first)
    assert written(second) == text
    assert written(read(written(second))) == text


@pytest.mark.parametrize("given", [*every_kind_of_slo(), awkward()])
def test_what_is_written_is_strict(given):
    for document in documents.load(written(read(given))):
        assert openslo_rules.breaches(document.value) == []


def test_what_v1_does_not_allow_is_named_where_it_is_written():
    contents = read(awkward())
    _, findings = openslo_export.write(contents.slos, [], [])

    assert {each.field for each in findings} == {
        "extra",
        "metadata.colour",
        "spec.owner",
        "spec.objectives[0].op",
        "spec.objectives[0].note",
        "spec.timeWindow[0].calendar.week",
        "spec.alertPolicies[0].alertPolicyRef",
        "spec.alertPolicies[0]",
        "spec.alertPolicies[1]",
    }
    assert {each.level for each in findings} == {"note"}


def test_what_columns_say_by_now_goes_before_what_was_read():
    """A month that was made rolling, and queries where there was a threshold."""
    query = metric("http_duration_seconds")
    indicator = {"metadata": {"name": "x"}, "spec": {"thresholdMetric": query}}
    contents = read(
        an_slo(
            {"op": "lte", "value": 0.3, "target": 0.99},
            {
                "duration": "1M",
                "isRolling": False,
                "calendar": {**CALENDAR, "startTime": "2022-01-01 00:00:00"},
            },
            indicator=indicator,
        )
    )
    (entry,) = contents.slos
    entry.values |= {"window": "rolling", "window_days": 7, "time_zone": "UTC"}
    entry.values |= {"good_query": GOOD, "total_query": TOTAL}

    text = written(contents)

    (document,) = documents.load(text)
    assert openslo_rules.breaches(document.value) == []
    assert document.value["spec"]["timeWindow"] == [{"duration": "7d", "isRolling": True}]
    inner = document.value["spec"]["indicator"]["spec"]
    assert inner.keys() == {"ratioMetric"}
    assert written(read(text)) == text


def test_an_slo_without_queries_is_written_with_an_indicator_of_ours():
    entry = SloEntry(None, "sent", "web", read(an_slo()).slos[0].values, "")
    entry.values |= dict.fromkeys(("good_query", "total_query"), "")
    entry.connection, entry.guarantee = "Main_1", "SLA-01 | availability | a → b"

    text, _ = openslo_export.write([entry], [], [])
    (again,) = read(text).slos

    assert again.values == entry.values
    assert (again.connection, again.guarantee) == ("Main_1", "SLA-01 | availability | a → b")


def test_services_are_written_before_slos_with_what_was_kept_of_them():
    service = {
        "apiVersion": "openslo/v1",
        "kind": "Service",
        "metadata": {"name": "web", "displayName": "Web", "labels": {"tier": "1"}},
        "spec": {"description": "What people see"},
    }
    contents = read(an_slo(), service)

    assert contents.findings == []
    assert (contents.services[0].slug, contents.services[0].name) == ("web", "Web")
    found = [each.value for each in documents.load(written(contents))]
    assert [each["kind"] for each in found] == ["Service", "SLO"]
    assert found[0] == service


@pytest.mark.parametrize(
    "kept",
    [
        "{",
        "[]",
        '{"parts": [[["spec", 0], 1]]}',
        '{"parts": 5}',
        '{"format": "sloth"}',
        '{"parts": [[[], {}]]}',
        '{"parts": [[["spec", "objectives", 9999999999, "x"], 1]]}',
    ],
)
def test_an_annotation_that_only_looks_like_ours_does_no_harm(kept):
    slo = an_slo()
    slo["metadata"]["annotations"] = {"debtreg.io/kept": kept}
    contents = read(slo)

    assert "metadata.annotations.debtreg.io/kept" in said(contents, "warning")
    assert facts(read(written(contents))) == facts(contents)


@pytest.mark.parametrize(
    "broken",
    [
        {"spec": None},
        {"spec": []},
        {"metadata": "x"},
        {"metadata": {"name": 5}},
        {"metadata": {"name": ["a"]}},
        {"kind": 3},
        {"kind": ["SLO"]},
        {"spec": {"objectives": [3]}},
        {"spec": {"objectives": [{"target": 0.9}], "indicator": 3, "timeWindow": [3]}},
        {"spec": {"objectives": [{"target": 0.9, "indicator": []}], "timeWindow": {}}},
        {"spec": {"objectives": [{"target": {"a": 1}}]}},
        {"spec": {"objectives": {"target": 1}}},
        {
            "spec": {
                "objectives": [{"target": 0.9}],
                "indicator": {
                    "spec": {"ratioMetric": {"good": 1, "total": {"metricSource": {"spec": 1}}}}
                },
            }
        },
    ],
)
@pytest.mark.parametrize("version", ["openslo/v1", "openslo/v1alpha", "openslo.com/v2alpha"])
def test_shapes_that_nobody_expects_end_in_findings(broken, version):
    contents = read({**an_slo(), "apiVersion": version, **broken}, source_format="openslo")

    assert contents.findings
    written(contents)
