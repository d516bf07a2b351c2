"""Pages of SLOs: what a list says honestly, what a form keeps, what an import shows first."""

from collections.abc import Callable
from decimal import Decimal
from io import BytesIO

import pytest
from django.test import Client
from django.utils import timezone

from debtreg import budgets
from debtreg.formats import documents
from debtreg.models import Maintenance, Role, Slo
from tests.factories import MaintenanceFactory, ServiceFactory, SloFactory
from tests.formats.samples import an_slo
from tests.formats.test_backstage import entity
from tests.web.company import Company


@pytest.fixture
def sre(as_role: Callable[[str], Client]) -> Client:
    return as_role(Role.SRE)


@pytest.fixture
def slo(company: Company) -> Slo:
    return SloFactory(name="payments-answer", service=company.service)


FIELDS = {
    "name": "payments-fast",
    "title": "Fast",
    "kind": "availability",
    "objective": "99.95",
    "window": "rolling",
    "window_days": "30",
    "month_basis": "calendar",
    "time_zone": "UTC",
    "method": "occurrences",
}


def filled(company: Company, **changes: str) -> dict[str, str]:
    return {**FIELDS, "service": str(company.service.pk), **changes}


def test_the_list_says_no_data_where_nothing_was_read(sre: Client, slo: Slo) -> None:
    budgets.refresh()
    page = sre.get("/slos/").text
    assert page.count("no data") == 3
    assert "99.9 %" in page


def test_the_list_shows_the_worst_burn_with_its_window(sre: Client, slo: Slo) -> None:
    budgets.refresh()
    slo.states.filter(window="1h").update(burn_rate=Decimal("20"), is_firing=True)
    slo.states.filter(window="period").update(burn_rate=Decimal("0.5"), remaining=Decimal("-0.25"))
    page = sre.get("/slos/").text
    assert "20" in page
    assert "−25 %" in page
    assert "1 fires" in page


def test_the_list_takes_the_same_queries_however_long_it_is(
    sre: Client, slo: Slo, django_assert_max_num_queries: Callable[..., object]
) -> None:
    for _ in range(30):
        SloFactory(service=ServiceFactory())
    budgets.refresh()
    with django_assert_max_num_queries(8):
        assert sre.get("/slos/").text.count("slo-") >= 30


def test_the_list_is_filtered(sre: Client, slo: Slo) -> None:
    SloFactory(name="other", kind="error_ratio")
    assert "payments-answer" not in sre.get("/slos/?kind=error_ratio").text
    assert "other</a>" not in sre.get("/slos/?service=payment-service").text
    assert "No SLO is like this" in sre.get("/slos/?q=zzz").text


def test_a_new_slo_is_saved_exactly(sre: Client, company: Company) -> None:
    response = sre.post("/slos/new/", filled(company, objective="99.95 %"))
    assert response.url == "/slos/payments-fast/"
    assert Slo.objects.get().objective == Decimal("0.9995")


def test_what_is_folded_away_does_not_count(sre: Client, company: Company) -> None:
    """Without styles all fields are there, and what they hold is not meant."""
    sre.post(
        "/slos/new/",
        filled(company, threshold_ms="300", slice_seconds="300", slice_target="95"),
    )
    slo = Slo.objects.get()
    assert (slo.threshold_ms, slo.slice_seconds, slo.slice_target) == (None, None, None)


def test_a_calendar_latency_in_slices_has_all_of_its_fields(sre: Client, company: Company) -> None:
    changes = {
        "kind": "latency",
        "threshold_ms": "300",
        "window": "quarter",
        "time_zone": "Asia/Shanghai",
        "month_basis": "730h",
        "method": "timeslices",
        "slice_seconds": "300",
        "slice_target": "95",
    }
    sre.post("/slos/new/", filled(company, **changes))
    slo = Slo.objects.get()
    assert (slo.threshold_ms, slo.window_days, slo.time_zone) == (300, None, "Asia/Shanghai")
    assert (slo.slice_seconds, slo.slice_target) == (300, Decimal("0.95"))
    page = sre.get("/slos/payments-fast/edit/").text
    assert 'value="99.95"' in page
    assert 'value="95"' in page


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"objective": "100"}, "no error budget"),
        ({"objective": "much"}, "percentage such as"),
        ({"kind": "latency"}, "milliseconds that are still good"),
        ({"method": "timeslices", "slice_seconds": ""}, "divide an hour"),
        ({"window": "month", "time_zone": "Asia/Atlantis"}, "There is no time zone"),
        ({"name": "Not A Name"}, "A name has a to z"),
        ({"good_query": "a"}, "for all events beside them"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_the_rest_is_kept(
    sre: Client, company: Company, changes: dict[str, str], text: str
) -> None:
    response = sre.post("/slos/new/", filled(company, **changes))
    assert response.status_code == 422
    assert text in response.text
    assert 'value="Fast"' in response.text
    assert not Slo.objects.exists()


def test_a_change_on_top_of_another_is_refused(sre: Client, company: Company, slo: Slo) -> None:
    Slo.objects.update(revision=4)
    response = sre.post(f"/slos/{slo.name}/edit/", filled(company, revision="3"))
    assert response.status_code == 422
    assert "has changed since you read it" in response.text


def test_a_renamed_slo_keeps_its_page_when_refused(sre: Client, company: Company, slo: Slo) -> None:
    response = sre.post(f"/slos/{slo.name}/edit/", filled(company, name="A B"))
    assert f"/slos/{slo.name}/remove/" in response.text


def test_the_page_of_an_slo_shows_queries_and_maintenance(sre: Client, slo: Slo) -> None:
    Slo.objects.update(total_query="sum(increase(all[{{.window}}]))")
    MaintenanceFactory(reason="new racks", service=slo.service)
    MaintenanceFactory(reason="another's", service=ServiceFactory())
    page = sre.get(f"/slos/{slo.name}/").text
    assert "sum(increase(all[{{.window}}]))" in page
    assert "new racks" in page
    assert "another's" not in page


def test_an_slo_is_removed_by_its_button(sre: Client, slo: Slo) -> None:
    assert sre.post(f"/slos/{slo.name}/remove/").url == "/slos/"
    assert not Slo.objects.exists()


def test_maintenance_is_entered_changed_and_removed(sre: Client, slo: Slo) -> None:
    body = {"starts_at": "2026-11-20T01:00", "ends_at": "2026-11-20T03:00", "reason": "racks"}
    assert sre.post("/maintenances/new/", body).url == "/maintenances/"
    window = Maintenance.objects.get()
    assert timezone.localtime(window.starts_at).hour == 1
    path = f"/maintenances/{window.pk}/"
    assert 'value="2026-11-20T01:00"' in sre.get(path).text
    response = sre.post(path, {**body, "ends_at": "2026-11-20T01:00"})
    assert "ends after it starts" in response.text
    assert "racks" in sre.get("/maintenances/").text
    sre.post(path, {"remove": "yes"})
    assert not Maintenance.objects.exists()


def yaml_of(*values: object) -> str:
    return documents.dump(*values)


def test_a_file_is_looked_at_before_it_is_stored(sre: Client, company: Company) -> None:
    value = an_slo()
    value["spec"]["service"] = "payment-service"
    text = yaml_of(value, an_slo({"target": 1}, name="full"))
    seen = sre.post("/slos/import/", {"file": BytesIO(text.encode()), "text": ""})
    assert seen.status_code == 200
    assert "What would be stored" in seen.text
    assert "no error budget" in seen.text
    assert "kind: SLO" in seen.text  # to be corrected
    assert not Slo.objects.exists()

    stored = sre.post("/slos/import/", {"text": text, "store": "yes"})

    assert "/slos/web-availability/" in stored.text
    assert Slo.objects.get().service == company.service


def test_a_file_that_is_none_says_why_beside_its_text(sre: Client) -> None:
    response = sre.post("/slos/import/", {"text": "a: [", "file": ""})
    assert response.status_code == 422
    assert "not YAML, line" in response.text
    assert "a: [" in response.text
    response = sre.post("/slos/import/", {"file": BytesIO(b"\xff\xfe")})
    assert "not text in UTF-8" in response.text
    assert "paste its text" in sre.post("/slos/import/", {}).text


def test_a_catalog_needs_a_team_for_what_nobody_owns(sre: Client, company: Company) -> None:
    text = yaml_of(entity("Component", "new-thing", owner="user:jane"))
    assert "no team is known" in sre.post("/slos/import/", {"text": text}).text
    seen = sre.post("/slos/import/", {"text": text, "team": "payments"}).text
    assert "Nothing in it can be taken" not in seen


@pytest.mark.parametrize(
    "path", ["/slos/new/", "/slos/import/", "/maintenances/new/", "/slos/payments-answer/edit/"]
)
def test_forms_are_for_sres(owner: Client, slo: Slo, path: str) -> None:
    assert owner.get(path).status_code == 403
    assert owner.post("/slos/payments-answer/remove/").status_code == 403
    assert path not in owner.get("/slos/").text


@pytest.mark.parametrize("typed", ["NaN", "sNaN", "Infinity", "-inf"])
@pytest.mark.parametrize("field", ["objective", "slice_target", "threshold_ms"])
def test_what_is_no_number_is_refused_beside_its_field(
    sre: Client, slo: Slo, field: str, typed: str
) -> None:
    body = FIELDS | {"service": slo.service_id, "method": "timeslices", "kind": "latency"}

    for path in ("/slos/new/", f"/slos/{slo.name}/edit/"):
        page = sre.post(path, body | {field: typed})
        assert page.status_code == 422
        assert field in page.context["form"].errors


@pytest.mark.parametrize("year", ["0001-01-01", "9999-12-31"])
def test_maintenance_at_an_end_of_the_calendar_is_refused(sre: Client, year: str) -> None:
    body = {"starts_at": "2026-05-01T10:00", "ends_at": "2026-05-01T12:00", "reason": "racks"}
    name = "starts_at" if year < "2000" else "ends_at"

    page = sre.post("/maintenances/new/", body | {name: f"{year}T23:59"})

    assert page.status_code == 422
    assert name in page.context["form"].errors
    assert not Maintenance.objects.exists()


def test_the_export_page_says_what_a_format_can_not_before_one_downloads(
    as_role: Callable[[str], Client], company: Company
):
    client = as_role(Role.MEMBER)
    SloFactory(name="weekly", window_days=7, bad_query="b", total_query="t")

    page = client.get("/slos/export/?format=sloth").content.decode()

    assert "Sloth has one of 30 days for all" in page
    assert "error_query: b" in page
    assert "/api/v1/slos/export/?format=sloth" in page
    assert (
        "There is nothing to write" in client.get("/slos/export/?format=backstage").content.decode()
    )
