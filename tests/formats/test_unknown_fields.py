"""What a format does not know yet, wherever it stands: reported, kept, and written back."""

import json
from copy import deepcopy

import pytest

from debtreg.formats import backstage, documents, openslo_export, openslo_rules, sloth
from tests.formats.samples import an_slo, facts, metric, read
from tests.formats.test_backstage import entity
from tests.formats.test_openslo import ALERTS, CALENDAR
from tests.formats.test_sloth import ALL, ERRORS, a_spec

# In these anything may stand.
FREE = ("labels", "annotations", "connectionDetails", "options", "definition", "kubernetes")


def openslo(kind, name, **spec):
    return {
        "apiVersion": "openslo/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": {"env": "prod"}},
        "spec": spec,
    }


def kubernetes():
    spec = documents.dump(a_spec()["slos"])
    for name in ("error_query", "total_query", "page_alert"):
        first, _, second = name.partition("_")
        spec = spec.replace(name, first + second.title())
    return {
        "apiVersion": "sloth.slok.dev/v1",
        "kind": "PrometheusServiceLevel",
        "metadata": {"name": "web", "namespace": "monitoring"},
        "spec": {"service": "web", "labels": {"tier": "2"}, "slos": documents.load_one(spec)},
    }


SAMPLES = {
    "openslo SLO": [
        an_slo(
            {"displayName": "Good", "target": 0.999},
            {"duration": "1M", "isRolling": False, "calendar": dict(CALENDAR)},
        )
    ],
    "openslo SLI": [
        openslo("SLI", "requests", thresholdMetric=metric("up", type="Prometheus")),
        an_slo(),
    ],
    "openslo SLI in use": [
        openslo("SLI", "requests", ratioMetric={"good": metric("a"), "total": metric("b")}),
        an_slo(indicator=None, indicatorRef="requests"),
    ],
    "openslo Service": [openslo("Service", "web", description="What people see"), an_slo()],
    "openslo DataSource": [
        openslo("DataSource", "main", type="Prometheus", connectionDetails={"url": "https://h"})
    ],
    "openslo alerts": [ALERTS],
    "sloth": [a_spec()],
    "sloth raw": [a_spec(sli={"raw": {"error_ratio_query": "x"}})],
    "sloth plugin": [a_spec(sli={"plugin": {"id": "x", "options": {"job": "web"}}})],
    "sloth kubernetes": [kubernetes()],
    "backstage Component": [entity("Component", "web", type="service", system="shop")],
    "backstage API": [entity("API", "users", definition="x")],
    "backstage Resource": [entity("Resource", "db", type="database")],
    "backstage System": [entity("System", "shop")],
    "backstage Group": [entity("Group", "payments", profile={"displayName": "P"}, children=[])],
}


def values_of(name):
    found = []
    for each in SAMPLES[name]:
        parts = [part.value for part in documents.load(each)] if isinstance(each, str) else [each]
        found += deepcopy(parts)
    for each in found:
        if "spec" in each and "indicator" in each["spec"] and each["spec"]["indicator"] is None:
            del each["spec"]["indicator"]
    return found


def mappings(value, path=""):
    """Path and mapping of all in which a field may be unknown."""
    if isinstance(value, dict):
        yield path, value
        for name, each in value.items():
            is_query = name == "spec" and path.endswith("metricSource")
            if name not in FREE and not is_query:
                yield from mappings(each, f"{path}.{name}".strip("."))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from mappings(each, f"{path}[{number}]")


def places():
    for name in SAMPLES:
        for number, value in enumerate(values_of(name)):
            for place, (path, _) in enumerate(mappings(value)):
                yield pytest.param(name, number, place, id=f"{name} {number} {path or 'top'}")


def export(contents):
    if contents.source_format == "sloth":
        return sloth.write(contents.slos, contents.kept)[0]
    if contents.source_format == "backstage":
        return backstage.write(contents.kept)
    return openslo_export.write(contents.slos, contents.services, contents.kept)[0]


def kept(contents):
    return sorted(
        (each.kind, each.name, json.dumps(documents.storable(each.value), sort_keys=True))
        for each in contents.kept
    )


@pytest.mark.parametrize(("name", "number", "place"), list(places()))
def test_an_unknown_field_is_reported_and_comes_back_from_an_export(name, number, place):
    values = values_of(name)
    path, owner = list(mappings(values[number]))[place]
    owner["future"] = {"of": "later"}

    contents = read(*values)
    text = export(contents)
    again = read(text)

    assert f"{path}.future".strip(".") in {each.field for each in contents.findings}
    assert "later" in text
    assert (facts(again), kept(again)) == (facts(contents), kept(contents))
    assert export(again) == text
    if contents.source_format == "openslo":
        assert all(not openslo_rules.breaches(each.value) for each in documents.load(text))


@pytest.mark.parametrize("name", SAMPLES)
def test_known_fields_are_not_called_unknown(name):
    assert [each for each in read(*values_of(name)).findings if "no such" in each.message] == []


@pytest.mark.parametrize(
    ("change", "where"),
    [({"labels": "prod"}, "metadata.labels"), ({"labels": {"tier": 2}}, "metadata.labels.tier")],
)
def test_a_label_that_is_wrong_does_not_take_its_object_out_of_the_export(change, where):
    source = openslo("DataSource", "main", type="Prometheus", connectionDetails={})
    source["metadata"] |= change
    contents = read(source)

    text, findings = openslo_export.write([], [], contents.kept)

    assert [(each.kind, each.field, each.level) for each in findings] == [
        ("DataSource", where, "note")
    ]
    assert documents.load_one(text)["kind"] == "DataSource"
    assert kept(read(text)) == kept(contents)


def test_a_service_without_a_spec_comes_back_without_a_change():
    service = openslo("Service", "web")
    del service["spec"]
    contents = read(service)

    again = read(export(contents))

    assert kept(again) == kept(contents)


def test_what_v1_can_not_hold_at_all_is_written_as_a_comment_and_said():
    contents = read(openslo("DataSource", "main", connectionDetails={"region": "eu"}))

    text, findings = openslo_export.write([], [], contents.kept)

    assert documents.load(text) == []
    assert "#     region: eu" in text
    assert "written as a comment only" in findings[0].message


def test_alert_windows_of_sloth_come_back_so_that_periods_stay():
    windows = {
        "apiVersion": "sloth.slok.dev/v1",
        "kind": "AlertWindows",
        "spec": {"sloPeriod": "28d"},
    }
    contents = read(windows, a_spec())

    text, findings = sloth.write(contents.slos, contents.kept)

    assert [each.level for each in findings] == ["note"]
    assert facts(read(text)) == facts(contents)


def test_files_of_one_service_that_say_different_things_of_it_stay_two():
    other = a_spec(name="other", sli={"events": {"error_query": f"2*{ERRORS}", "total_query": ALL}})
    other["labels"] = {"tier": "3"}
    contents = read(a_spec(), other)

    text, _ = sloth.write(contents.slos)

    assert len(documents.load(text)) == 2
    assert facts(read(text)) == facts(contents)


@pytest.mark.parametrize(
    "broken",
    [
        {"indicator": {"spec": 5}},
        {"indicator": None},
        {"indicatorRef": "x"},
        {"objectives": []},
        {"budgetingMethod": None},
        {"budgetingMethod": 5},
        {"alertPolicies": [{}, 3]},
        {"timeWindow": []},
        {"timeWindow": [{"duration": 5}]},
        {"objectives": [{"target": 0.9, "compositeWeight": 0, "indicatorRef": 5}]},
    ],
)
def test_lint_messages_are_sentences_for_people(broken):
    for each in read(an_slo(**broken)).findings:
        assert each.message.endswith("."), each
        assert not any(sign in each.message for sign in ("{'", "['", "is not valid under")), each


def test_a_missing_method_asks_for_nothing_that_belongs_to_another():
    slo = an_slo()
    del slo["spec"]["budgetingMethod"]

    assert [(each.field, each.message) for each in read(slo).findings] == [
        ("spec.budgetingMethod", "There is no budgeting method: Occurrences are taken.")
    ]
