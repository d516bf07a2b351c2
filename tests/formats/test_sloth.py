"""Sloth's specs: percents, errors of all events, and what it has and we have not."""

from decimal import Decimal

import pytest

from debtreg.formats import documents, sloth
from tests.formats.samples import facts, read, said, written

ERRORS = 'sum(increase(http_requests_total{code=~"5.."}[{{.window}}]))'
ALL = "sum(increase(http_requests_total[{{.window}}]))"


def a_spec(**slo):
    """prometheus/v1 with one SLO, but for what is asked to be otherwise."""
    return {
        "version": "prometheus/v1",
        "service": "web",
        "labels": {"tier": "2"},
        "slos": [
            {
                "name": "requests",
                "objective": Decimal("99.9"),
                "sli": {"events": {"error_query": ERRORS, "total_query": ALL}},
                "alerting": {"name": "WebErrors", "page_alert": {"labels": {"to": "web"}}},
                **slo,
            }
        ],
    }


def test_a_correct_spec_is_read_without_a_finding():
    contents = read(a_spec())

    assert contents.findings == []
    (entry,) = contents.slos
    assert (entry.name, entry.service, entry.source_format) == ("web-requests", "web", "sloth")
    assert entry.values["objective"] == Decimal("0.999")
    assert (entry.values["bad_query"], entry.values["total_query"]) == (ERRORS, ALL)
    assert (entry.values["window"], entry.values["window_days"]) == ("rolling", 30)
    assert entry.values["kind"] == "error_ratio"
    assert entry.kept["service"] == {"labels": {"tier": "2"}}
    assert entry.kept["slo"]["alerting"]["name"] == "WebErrors"


@pytest.mark.parametrize("objective", ["99.9", 99.9, Decimal("99.9")])
def test_an_objective_is_an_exact_percent(objective):
    spec = documents.dump(a_spec(objective=objective))

    assert read(spec).slos[0].values["objective"] == Decimal("0.999")


def test_a_hundred_percent_is_allowed_there_and_refused_here():
    contents = read(a_spec(objective=100))

    assert contents.slos == []
    assert "no error budget" in said(contents, "error")["slos[0].objective"]


@pytest.mark.parametrize("objective", [0, -1, 100.1, "much", None, True])
def test_what_is_no_percent_is_refused(objective):
    contents = read(a_spec(objective=objective))

    assert contents.slos == []
    assert "percent above 0" in said(contents, "error")["slos[0].objective"]


def test_a_ratio_is_taken_as_percent_and_asked_about():
    contents = read(a_spec(objective=Decimal("0.999")))

    assert contents.slos[0].values["objective"] == Decimal("0.00999")
    assert "write 99.9" in said(contents, "warning")["slos[0].objective"]


def test_noise_of_floats_is_rounded_and_said():
    contents = read(a_spec(objective=Decimal("99.90000000000000568")))

    assert contents.slos[0].values["objective"] == Decimal("0.999")
    assert "99.9 %" in said(contents, "warning")["slos[0].objective"]


def test_rates_are_counted_as_events():
    contents = read(
        a_spec(
            sli={
                "events": {
                    "error_query": "sum(rate(a[{{.window}}]))",
                    "total_query": "sum(rate (b[{{.window}}])) > irate(c[5m])",
                }
            }
        )
    )

    values = contents.slos[0].values
    assert values["bad_query"] == "sum(increase(a[{{.window}}]))"
    assert values["total_query"] == "sum(increase(b[{{.window}}])) > irate(c[5m])"
    assert [each.level for each in contents.findings] == ["note"]


@pytest.mark.parametrize(
    ("sli", "field", "text"),
    [
        ({"raw": {"error_ratio_query": "x"}}, "slos[0].sli.raw", "can't be added up"),
        ({"plugin": {"id": "x"}}, "slos[0].sli.plugin", "not run"),
        ({}, "slos[0].sli", "no SLI"),
        ({"events": {"error_query": "x"}}, "slos[0].sli.events.total_query", "missing"),
        ({"events": {"error_query": ALL, "total_query": ALL}}, "slos[0].sli.events", "the same"),
    ],
)
def test_what_gives_no_events_is_kept_and_not_asked(sli, field, text):
    contents = read(a_spec(sli=sli))

    (entry,) = contents.slos
    assert (entry.values["bad_query"], entry.values["total_query"]) == ("", "")
    assert entry.kept["slo"].get("sli", {}) == sli
    assert text in said(contents, "warning")[field]


def test_queries_need_the_window():
    contents = read(a_spec(sli={"events": {"error_query": "a[5m]", "total_query": ALL}}))

    assert list(said(contents, "warning")) == ["slos[0].sli.events.error_query"]


def test_an_alert_needs_a_name_unless_both_are_off():
    off = {"page_alert": {"disable": True}, "ticket_alert": {"disable": True}}

    assert said(read(a_spec(alerting=off))) == {}
    assert "slos[0].alerting.name" in said(read(a_spec(alerting={})), "warning")


def test_a_name_of_one_letter_is_none_of_sloths():
    assert "slos[0].name" in said(read(a_spec(name="x")), "warning")


def test_the_object_of_kubernetes_has_other_names_for_the_same():
    contents = read(
        {
            "apiVersion": "sloth.slok.dev/v1",
            "kind": "PrometheusServiceLevel",
            "metadata": {"name": "web-slos", "namespace": "monitoring"},
            "spec": {
                "service": "web",
                "slos": [
                    {
                        "name": "requests",
                        "objective": Decimal("99.9"),
                        "sli": {"events": {"errorQuery": ERRORS, "totalQuery": ALL}},
                        "alerting": {"name": "A", "pageAlert": {"disable": True}},
                    }
                ],
            },
        }
    )

    assert contents.findings == []
    (entry,) = contents.slos
    assert entry.values == read(a_spec()).slos[0].values
    assert entry.kept["service"]["kubernetes"]["metadata"]["namespace"] == "monitoring"
    assert entry.kept["slo"]["alerting"]["page_alert"] == {"disable": True}


def test_the_period_is_that_of_the_alert_windows():
    windows = {
        "apiVersion": "sloth.slok.dev/v1",
        "kind": "AlertWindows",
        "spec": {"sloPeriod": "28d"},
    }
    contents = read(windows, a_spec())

    assert contents.slos[0].values["window_days"] == 28
    assert contents.kept[0].value == windows


def test_it_goes_through_openslo_and_comes_back_whole():
    contents = read(a_spec())
    text = written(contents)

    assert facts(read(text)) == facts(contents)
    assert written(read(text)) == text


def test_what_is_written_for_sloth_reads_back_the_same():
    contents = read(a_spec())
    text, findings = sloth.write(contents.slos)

    assert findings == []
    assert documents.load_one(text) == a_spec()
    assert sloth.write(read(text).slos)[0] == text


def test_a_name_that_would_come_back_as_another_is_said():
    (entry,) = read(a_spec()).slos
    entry.name, entry.source_format, entry.kept = "checkout", "openslo", {}

    text, findings = sloth.write([entry])

    assert [each.message for each in findings] == [
        "Read back, it would be another SLO: 'web-checkout'."
    ]
    assert [each.name for each in read(text).slos] == ["web-checkout"]


def test_good_events_are_written_as_errors_and_what_sloth_has_not_is_named():
    (entry,) = read(a_spec()).slos
    entry.values |= {"good_query": "g", "bad_query": "", "total_query": "t", "window_days": 7}

    text, findings = sloth.write([entry])

    assert "error_query: (t) - (g)" in text
    assert [each.message for each in findings] == [
        "Its window is not written: Sloth has one of 30 days for all."
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"slos": None},
        {"slos": [3]},
        {"slos": [{}]},
        {"service": None},
        {"service": ["a"]},
        {"slos": [{"name": ["x"]}]},
        {"labels": 3},
    ],
)
def test_shapes_that_nobody_expects_end_in_findings(broken):
    contents = read({**a_spec(), **broken})

    if "labels" not in broken:
        assert said(contents, "error")
    written(contents)
    sloth.write(contents.slos)
