"""What-if sliders of a debt: other numbers beside those that are there, and nothing stored."""

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client

from debtreg.actions import debt
from debtreg.models import AuditEntry, DebtItem, ImpactKind, Role
from debtreg.web import sliders
from tests.factories import DebtItemFactory, toil
from tests.web.company import Company


def sent_by(page: str, form: str) -> dict[str, str]:
    """What a form of inputs sends as it stands there."""
    inside = page[page.index(f'id="{form}"') :]
    found = {}
    for tag in re.findall(r"<input [^>]*>", inside[: inside.index("</form>")]):
        values = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if "name" in values:
            found[values["name"]] = html.unescape(values.get("value", ""))
    return found


def path_of(item: DebtItem) -> str:
    return f"/debts/{item.key}/what-if/"


@pytest.fixture
def ranged(company: Company) -> DebtItem:
    """40 to 128 hours a year, most likely 72, and 1 to 4 days of work."""
    item = DebtItemFactory(service=company.service, effort=2)
    hours = {f"frequency_{end}": n for end, n in (("low", 40), ("likely", 72), ("high", 128))}
    effort = {f"effort_{end}": n for end, n in (("low", 1), ("likely", 2), ("high", 4))}
    impact = {"kind": ImpactKind.TOIL, "grade": "estimated", **hours}
    return debt.update(pk=item.pk, fields=effort, impacts=[impact], by=None)


def test_other_numbers_stand_beside_those_that_are_there_and_change_nothing(
    owner: Client, company: Company
) -> None:
    before = AuditEntry.objects.count()
    typed = sent_by(owner.get(path_of(company.best)).text, "what-if-form")
    typed["effort_likely"] = "4"
    page = owner.post(path_of(company.best), typed).text
    table = page[page.index('<table class="list what-if"') :]
    assert "≈ 4.5" in table  # now: 72 hours x 200 / (2 days x 1,600)
    assert "≈ 2.3" in table
    assert "below 2.5, so the next run takes it back" in table
    company.best.refresh_from_db()
    assert company.best.effort_likely == 2
    assert AuditEntry.objects.count() == before


def test_htmx_gets_the_two_beside_each_other_and_no_more(owner: Client, company: Company) -> None:
    typed = sent_by(owner.get(path_of(company.best)).text, "what-if-form")
    part = owner.post(path_of(company.best), typed, headers={"HX-Request": "true"}).text
    assert "With these numbers" in part
    assert "<html" not in part


def test_saving_goes_by_the_form_and_needs_its_rights(
    owner: Client, as_role: Callable[[str], Client], company: Company
) -> None:
    typed = sent_by(owner.get(path_of(company.best)).text, "what-if-form")
    typed |= {"effort_likely": "4", "save": "yes"}
    edit = f"/debts/{company.best.key}/edit/"
    director = as_role(Role.DIRECTOR)
    assert "Save these numbers" not in director.get(path_of(company.best)).text
    assert director.post(edit, typed).status_code == 403
    assert "is saved and scored" in owner.post(edit, typed, follow=True).text
    stale = owner.post(edit, typed)
    assert stale.status_code == 422
    company.best.refresh_from_db()
    assert (company.best.effort_low, company.best.effort_high) == (4, 4)
    impact = company.best.impacts.get()
    assert (impact.kind, impact.frequency_likely) == (ImpactKind.TOIL, 72)


def test_a_range_moves_along_with_its_number(owner: Client, ranged: DebtItem) -> None:
    typed = sent_by(owner.get(path_of(ranged)).text, "what-if-form")
    assert typed["impacts-0-frequency_from"] == "72"
    typed |= {"effort_likely": "3", "impacts-0-frequency_likely": "144", "save": "yes"}
    owner.post(f"/debts/{ranged.key}/edit/", typed)
    ranged.refresh_from_db()
    assert (ranged.effort_low, ranged.effort_likely, ranged.effort_high) == (1.5, 3, 6)
    impact = ranged.impacts.get()
    found = [getattr(impact, f"frequency_{end}") for end in ("low", "likely", "high")]
    assert found == [80, 144, 256]


def test_nothing_pulled_at_saves_what_was_there(owner: Client, ranged: DebtItem) -> None:
    typed = sent_by(owner.get(path_of(ranged)).text, "what-if-form")
    owner.post(f"/debts/{ranged.key}/edit/", {**typed, "save": "yes"})
    assert (ranged.effort_low, ranged.effort_high) == (1, 4)
    assert debt_values(DebtItem.objects.get(pk=ranged.pk)) == debt_values(ranged)


def debt_values(item: DebtItem) -> dict[str, Any]:
    kept = {field.attname: getattr(item, field.attname) for field in item._meta.concrete_fields}
    return {name: kept[name] for name in kept if name not in ("updated_at", "revision")}


@pytest.mark.parametrize(
    ("sent", "ends"),
    [
        ("share_from=0.3&share_low=0.2&share_likely=0.6&share_high=0.9", ("0.4", "1")),
        ("cost_from=&cost_low=2&cost_likely=6&cost_high=8", ("2", "8")),
        ("cost_from=0&cost_low=0&cost_likely=6&cost_high=8", ("0", "8")),
        ("cost_from=4&cost_low=2&cost_likely=much&cost_high=8", ("2", "8")),
        ("cost_from=nan&cost_low=2&cost_likely=5&cost_high=8", ("2", "8")),
        ("cost_from=4&cost_low=&cost_likely=5&cost_high=", ("", "")),
        ("cost_from=3%25&cost_low=1%25&cost_likely=6%25&cost_high=9%25", ("0.02", "0.18")),
    ],
)
def test_what_cannot_be_carried_along_stays_as_it_was_typed(
    sent: str, ends: tuple[str, str]
) -> None:
    data = sliders.carried(QueryDict(sent))
    stem = sent.split("_from")[0]
    assert (data[f"{stem}_low"], data[f"{stem}_high"]) == ends
    assert f"{stem}_from" not in data


def test_what_comes_from_elsewhere_is_where_its_slider_begins(
    owner: Client, company: Company
) -> None:
    page = owner.get(path_of(company.best)).text
    price = page[page.index('name="impacts-0-unit_price_likely"') :].split(">")[0]
    assert 'placeholder="200"' in price
    assert "value=" not in price


@pytest.mark.parametrize("which", ["unpriced", "unestimated"])
def test_what_is_not_known_has_its_number_to_fill_in(
    owner: Client, company: Company, which: str
) -> None:
    item = getattr(company, which)
    typed = sent_by(owner.get(path_of(item)).text, "what-if-form")
    typed["effort_likely"] = "1"
    page = owner.post(path_of(item), typed)
    assert page.status_code == 200
    assert "With these numbers" in page.text


def test_what_cannot_be_read_is_said_beside_the_result(owner: Client, company: Company) -> None:
    typed = sent_by(owner.get(path_of(company.best)).text, "what-if-form")
    page = owner.post(path_of(company.best), {**typed, "effort_likely": "soon"}).text
    assert "Most likely: Enter a number such as" in page
    assert owner.post(path_of(company.best), {}).status_code == 200


def test_more_impacts_take_no_more_queries(
    owner: Client, company: Company, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    with django_assert_max_num_queries(24) as few:
        owner.get(path_of(company.best))
    debt.update(pk=company.best.pk, fields={}, impacts=[toil(72)] * 12, by=None)
    with django_assert_max_num_queries(len(few)):
        page = owner.get(path_of(company.best))
    assert page.text.count("<legend") == 13
