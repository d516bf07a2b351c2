"""Pages of the calculators: the same answers as the API's, and what is wrong beside its field."""

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils.html import strip_tags

from debtreg import calculators
from debtreg.models import DebtItem, Role
from debtreg.web.calculators import PAGES

FOLDER = Path(__file__).parents[1] / "data/vectors"
HTMX = {"hx-request": "true"}


@pytest.fixture
def ask(as_role: Callable[[str], Client]) -> Callable[..., str]:
    """What a page says: `ask("penalty", measured="0.4s")`; the rest is as in its example."""
    client = as_role(Role.MEMBER)

    def get(name: str, *, htmx: bool = False, alone: bool = False, **typed: str) -> str:
        query = typed if alone else {**PAGES[name].example, **typed}
        response = client.get(f"/calculators/{name}/", query, headers=HTMX if htmx else {})
        assert response.status_code == 200
        return response.text

    return get


def said(html: str) -> str:
    return " ".join(unescape(strip_tags(html)).split())


def problem(html: str, field: str) -> str:
    """What is wrong with a field, beside it."""
    found = re.search(rf'<div id="id_{field}_problems"[^>]*>(.*?)</div>', html, re.S)
    assert found
    return said(found[1])


def test_every_calculator_has_a_page_and_a_sentence_in_the_list(owner: Client) -> None:
    text = owner.get("/calculators/").text

    assert PAGES.keys() == calculators.CALCULATORS.keys()
    for name, page in PAGES.items():
        assert f'href="/calculators/{name}/"' in text
        assert str(page.sentence) in unescape(text)
    assert 'href="/calculators/" aria-current="page"' in text


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_with_an_example_that_has_an_answer(
    ask: Callable[..., str], name: str
) -> None:
    text = ask(name, alone=True)

    assert "Step by step" in text
    assert "Assumptions" in text
    assert "There is no answer" not in text


@pytest.mark.parametrize(
    ("name", "number"),
    [(name, number) for name, page in PAGES.items() for number in range(len(page.more))],
)
def test_the_other_examples_say_something_as_well(
    ask: Callable[..., str], name: str, number: int
) -> None:
    text = ask(name, **list(PAGES[name].more.values())[number])

    assert said(text)
    assert ("There is no answer" in text) == ((name, number) == ("burn-rate", 0))


@pytest.mark.parametrize("case", json.loads((FOLDER / "penalty.json").read_text()))
def test_every_penalty_vector_is_on_the_page(ask: Callable[..., str], case: Any) -> None:
    typed = {name: "" if value is None else str(value) for name, value in case["input"].items()}
    text = said(ask("penalty", **typed))

    if (percent := case["expect"]["deduct_percent"]) is None:
        assert "not known Deducted" in said(_turned(ask("penalty", **typed)))
        assert "a compliance gap" in text
    else:
        tiles = said(_turned(ask("penalty", **typed)))
        assert f"{percent} % Deducted of the initial budget" in tiles
        assert f"{case['expect']['deducted_minutes']} min In minutes" in tiles


def _turned(html: str) -> str:
    """The tiles as they are seen: the number above its name."""
    return re.sub(r"<dt>(.*?)</dt><dd>(.*?)</dd>", r"<p>\2</p> <p>\1</p>", html, flags=re.S)


def test_numbers_come_with_units_steps_assumptions_and_findings(ask: Callable[..., str]) -> None:
    text = said(_turned(ask("inversion")))
    for part in (
        *("6.57 Incidents in the period", "6 Whole incidents", "52.56 min 3153.6 s Error budget"),
        *("105.12 30 s open each Breaker trips", "(1 − 0.9999) × 31536000 s", "105.12 trips"),
        *("Pass The budget has room for 6 whole incidents.", "≤ 200 ms", "≥ 99.5 %"),
        "Every incident lasts the recovery time, detection included.",
    ):
        assert part in text, part
    text = said(_turned(ask("burn-rate")))
    for part in (
        "14.4",
        "1.44 % Error ratio",
        "2 % Budget used",
        "50 h Budget lasts for",
        "14.4 > 1",
    ):
        assert part in text, part
    assert "Page 1 h / 5 min 2 % 14.4 Silent" in text
    assert "Page 6 h / 30 min 5 % 6 Fires" in text
    html = ask("breaker")
    for mark, word in (("done", "Pass"), ("warning", "Warning"), ("failed", "Fail")):
        assert f'<span class="mark m-{mark}">{word}</span>' in html
    assert "6 × 300 ms = 1800 ms" in html
    text = said(_turned(ask("roi")))
    assert "4.05 Promoted ROI" in text
    assert "¥12,960 Cost a year" in text


def test_what_never_ends_is_not_unknown(ask: Callable[..., str]) -> None:
    assert "∞ nothing burns Budget lasts for" in said(
        _turned(ask("burn-rate", good="5", total="5"))
    )
    assert "not known Budget lasts for" in said(_turned(ask("burn-rate", good="0", total="0")))


def test_an_empty_field_is_unknown_and_never_0(ask: Callable[..., str]) -> None:
    text = said(_turned(ask("inversion", recovery_seconds="")))

    assert "not known Incidents in the period" in text
    assert "52.56 min" in text
    assert "Not known Not known: recovery seconds" in text
    assert "52.56 Breaker trips" not in text


def test_numbers_may_be_typed_as_people_write_them(ask: Callable[..., str]) -> None:
    text = said(_turned(ask("burn-rate", good="９８５，６００", total="1 000 000")))
    assert "14.4" in text
    assert "50 h Budget lasts" in text
    text = said(_turned(ask("inversion", impact="50 %", recovery_seconds="300 – 480 – 660")))
    assert "13.14 from 9.55636 to 21.024 Incidents" in text
    text = said(_turned(ask("penalty", measured="250ms-500ms")))
    assert "not known from 0 to 100 % Deducted" in text
    assert "not known from 0 to 43.2 min In minutes" in text


@pytest.mark.parametrize(
    ("name", "field", "value", "reason"),
    [
        ("inversion", "target_percent", "100", "Is 100, which leaves no budget; allowed is below"),
        ("inversion", "target_percent", "NaN", "Is NaN; allowed is 0..100 %."),
        ("inversion", "period_days", "1e999999999", "Has too many digits"),
        ("inversion", "recovery_seconds", "1 – 2", "Enter one number, or three"),
        ("inversion", "recovery_seconds", "3 – 2 – 1", "Does not rise"),
        ("inversion", "recovery_seconds", "1 – x – 3", "Is 1–x–3; allowed is 0.001..1e9 s."),
        ("inversion", "impact", "200 %", "Is 2; allowed is 0.000001..1."),
        ("inversion", "impact", "x%", "Is x%; allowed"),
        ("burn-rate", "good", "2,000,000", "Is 2000000; allowed is at most the total, 1000000."),
        ("burn-rate", "threshold", "1000", "Can never fire"),
        ("penalty", "target", "300ms", "'300ms' cannot be read; allowed is such as ≤300ms"),
        ("penalty", "target", "", "This field is required."),
        ("penalty", "measured", "99%", "Is in %, the target in ms"),
        ("penalty", "measured", "500ms – 250ms", "Does not rise"),
        ("penalty", "clause", "每低于目标0ms,扣减SLO预算5%", "Step is 0 ms; allowed is above 0."),
        ("penalty", "clause", "as agreed", "'as agreed' cannot be read"),
        ("penalty", "objective_percent", "", "there is no budget to deduct from"),
        ("penalty", "clause", "a" * 2_001, "at most 2000 characters"),
        ("breaker", "half_open_probes", "1.5", "Is 1.5; allowed is a whole number."),
        ("roi", "effort", "-1", "Is -1; allowed is 0..1000000."),
        ("roi", "share", "150 %", "Is 1.5; allowed is 0..1."),
        ("roi", "kind", "luck", "luck is not one of the available choices"),
        ("roi", "unit_price", "\x00", "Null characters are not allowed."),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    ask: Callable[..., str], name: str, field: str, value: str, reason: str
) -> None:
    for htmx in (False, True):
        html = ask(name, htmx=htmx, **{field: value})

        assert reason.lower() in problem(html, field).lower()
        assert "There is no answer yet." in html
        others = [other for other in PAGES[name].form.base_fields if other != field]
        assert [problem(html, other) for other in others] == [""] * len(others)


def test_while_typing_only_the_answer_and_the_problems_come_anew(ask: Callable[..., str]) -> None:
    html = ask("penalty", htmx=True, measured="0.4s")

    assert "<html" not in html
    assert "50 % Deducted" in said(_turned(html))
    assert '<div id="id_measured_problems" hx-swap-oob="true"></div>' in html


def test_a_page_is_a_plain_form_with_what_was_asked(ask: Callable[..., str]) -> None:
    html = ask("penalty", measured="0.4s")

    assert 'method="get" action="/calculators/penalty/#result"' in html
    assert 'value="0.4s"' in html
    assert "csrfmiddlewaretoken" not in html.split("<main")[1]


def test_text_is_only_text(ask: Callable[..., str]) -> None:
    html = ask("penalty", target="<script>alert(1)</script>", clause="{{ 7*7 }}")

    assert "<script>alert" not in html
    assert "49" not in problem(html, "clause")


def test_an_unknown_calculator_is_not_found_and_nothing_is_stored(owner: Client) -> None:
    before = DebtItem.objects.count()

    assert owner.get("/calculators/tarot/").status_code == 404
    assert owner.post("/calculators/roi/").status_code == 405
    assert owner.get("/calculators/roi/").status_code == 200
    assert DebtItem.objects.count() == before
