"""The pages of the scoring policy: read by all, changed by administrators, tried by some."""

import json
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from debtreg import versions
from debtreg.actions import scores
from debtreg.models import (
    JobState,
    PolicyActivation,
    Role,
    Score,
    ScoringPolicy,
    ScoringRun,
    WhatIf,
)
from debtreg.web import policies
from tests.factories import (
    DebtItemFactory,
    ScoringPolicyFactory,
    stated,
    tamper,
    what_was_worked_out,
)
from tests.web.company import Company


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was sent to the workers."""
    jobs: list[object] = []
    monkeypatch.setattr(policies, "enqueue", jobs.append)
    monkeypatch.setattr("debtreg.tasks.enqueue", jobs.append)
    return jobs


@pytest.fixture
def admin(as_role: Callable[[str], Client]) -> Client:
    return as_role(Role.ADMIN)


def numbers(**changes: object) -> dict[str, object]:
    """The form as it comes, filled in otherwise in some fields."""
    start = versions.flat(ScoringPolicy.objects.get(version=1).payload)
    return {**start, "note": "", **{name.replace("__", "."): v for name, v in changes.items()}}


# --- A new version --------------------------------------------------------------------------------


def test_the_form_begins_with_what_is_in_force_and_explains_each_number(admin: Client) -> None:
    ScoringPolicyFactory(threshold=3.25)
    page = admin.get("/policies/new/").text
    assert "These are the numbers of version 2." in page
    assert 'name="threshold" value="3.25"' in page
    for field in versions.FIELDS:
        assert f'for="id_{field.path}"' in page, "every number has a label"
        assert f'id="id_{field.path}_helptext"' in page, "and says what it means"
    assert "A marginal ROI above it is promoted; strictly above." in page
    assert "Multiplier of the benefit, neutral 1. From 0 to 3." in page
    assert "These are the numbers of version 1." in admin.get("/policies/new/?from=1").text


def test_a_version_is_stored_as_typed_and_is_not_in_force(admin: Client) -> None:
    sent = numbers(
        threshold="3.5", contingency__medium="20 %", weights__latency="１.５", note="Why"
    )
    response = admin.post("/policies/new/", sent, follow=True)
    assert response.redirect_chain == [("/policies/2/", 302)]
    row = ScoringPolicy.objects.get(version=2)
    payload = row.payload
    assert (payload["threshold"], payload["contingency"]["medium"]) == (3.5, 0.2)
    assert (payload["weights"]["latency"], row.note) == (1.5, "Why")
    assert row.created_by is not None
    assert row.created_by.username == Role.ADMIN
    assert "Version 2 is stored. It counts once it is activated." in response.text
    assert "3 numbers differ from version 1" in response.text
    assert "Never in force" in response.text
    assert versions.in_force().version == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"threshold": ""}, "This field is required."),
        ({"threshold": "much"}, "Enter a number such as 12.5"),
        ({"threshold": "nan"}, "Enter a number such as 12.5"),
        ({"weights__latency": "9"}, "less than or equal to 3"),
        ({"demote_below": "4"}, "demote_below is 4.0; allowed is at most the threshold, 3.0."),
        ({"note": "x" * 301}, "at most 300 characters"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_the_rest_is_kept(
    admin: Client, changes: dict[str, str], problem: str
) -> None:
    response = admin.post("/policies/new/", numbers(**{"weights__toil": "1.25", **changes}))
    assert response.status_code == 422
    assert problem in response.text
    assert 'aria-invalid="true"' in response.text
    assert 'value="1.25"' in response.text
    assert ScoringPolicy.objects.count() == 1


def test_a_new_version_does_not_begin_with_a_refused_one(admin: Client) -> None:
    tamper(ScoringPolicyFactory().version, weights=[])
    assert admin.get("/policies/new/?from=2").status_code == 409
    assert "numbers of version 1" in admin.get("/policies/new/").text


def test_without_a_good_version_the_form_begins_with_the_defaults(admin: Client) -> None:
    tamper(1, threshold=-1)
    page = admin.get("/policies/new/").text
    assert "These are the defaults." in page
    assert 'name="threshold" value="3"' in page


# --- In force -------------------------------------------------------------------------------------


def test_a_version_is_put_into_force_and_rolled_back_with_a_click_each(
    admin: Client, sent: list[object]
) -> None:
    ScoringPolicyFactory(in_force=False)
    assert "Put version 2 into force" in admin.get("/policies/2/").text
    page = admin.post("/policies/2/activate/", follow=True).text
    run = ScoringRun.objects.get()
    assert f"Version 2 is in force. Run {run.pk} scores the portfolio with it." in page
    assert sent == [run]
    assert "Put version 2 into force" not in page

    assert "Roll back to version 1" in admin.get("/policies/").text
    page = admin.post("/policies/rollback/", {"leaving": "2"}, follow=True).text
    assert "Version 1 is in force." in page
    assert "Rolled back" in page
    assert "Roll back to version" not in page
    page = admin.post("/policies/rollback/", {"leaving": "2"}, follow=True).text
    assert "Since you looked, version 1 of the scoring policy was activated" in page
    assert PolicyActivation.objects.count() == 3


@pytest.mark.parametrize("role", [role for role in Role.values if role != Role.ADMIN])
def test_others_read_and_change_nothing(as_role: Callable[[str], Client], role: str) -> None:
    ScoringPolicyFactory()
    client = as_role(role)
    for path in ("/policies/", "/policies/1/"):
        page = client.get(path)
        assert page.status_code == 200
        for button in ("New version", "Roll back to", "into force</button>"):
            assert button not in page.text
    for path in ("/policies/new/", "/policies/1/activate/", "/policies/rollback/"):
        assert client.post(path).status_code == 403
    assert PolicyActivation.objects.count() == 2


def test_two_versions_are_shown_beside_each_other(owner: Client) -> None:
    ScoringPolicyFactory(threshold=4, min_confidence=0.8, in_force=False)
    ScoringPolicyFactory(threshold=4, in_force=False)
    page = owner.get("/policies/2/").text
    assert "2 numbers differ from version 1" in page
    assert page.count('class="differs"') == 2
    assert "80 %" in page
    page = owner.get("/policies/2/?against=3").text
    assert "1 number differs from version 3" in page
    page = owner.get("/policies/1/?against=1").text
    assert "What it says" in page
    assert "differs" not in page.replace('class="differs"', "")


def test_what_is_not_there_is_a_page_that_says_so(admin: Client) -> None:
    for path in (
        *("/policies/9/", "/policies/1/?against=9", "/policies/1/?against=x"),
        *(f"/policies/{10**30}/", f"/policies/1/?against={10**17}", "/policies/9/what-if/"),
        *("/policies/new/?from=9", "/policies/new/?from=-1"),
    ):
        assert admin.get(path).status_code == 404, path
    assert "There is no version 9" in admin.post("/policies/9/activate/", follow=True).text


# --- Refused --------------------------------------------------------------------------------------


def test_a_tampered_version_is_told_of_and_cannot_be_put_into_force(
    admin: Client, company: Company
) -> None:
    ScoringPolicyFactory()
    tamper(2, threshold=0.5, luck={"a": ["<b>"]})
    for path in ("/", "/ranking/", "/policies/", "/policies/1/what-if/", "/help/"):
        page = admin.get(path).text
        assert "Version 2 of the scoring policy is refused: its signature does not fit" in page
        assert "Version 1, the last good one, stays in force." in page
    page = admin.get("/policies/2/").text
    assert "Refused" in page
    assert "luck.a" in page
    assert "[&quot;&lt;b&gt;&quot;]" in page
    assert "into force</button>" not in page
    page = admin.post("/policies/2/activate/", follow=True).text
    assert "Version 2 of the scoring policy is refused" in page
    assert versions.in_force().version == 1


def test_without_a_good_version_pages_can_still_be_read_and_say_what_to_do(
    admin: Client, company: Company
) -> None:
    tamper(1, threshold=0.5)
    for path in (
        "/",
        "/ranking/",
        "/policies/",
        "/policies/1/",
        "/policies/1/what-if/",
        "/help/",
        "/runs/",
    ):
        assert admin.get(path).status_code == 200, path
    assert "nothing can be scored" in admin.get("/ranking/").text
    page = admin.get(f"/debts/{company.best.key}/")
    assert page.status_code == 200
    assert "nothing can be scored" in page.text
    form = admin.get(f"/debts/{company.best.key}/edit/")
    assert form.status_code == 200
    assert "nothing can be scored" in form.text
    assert company.best.title in form.text


# --- What if --------------------------------------------------------------------------------------


def test_what_a_version_would_move_is_asked_for_watched_and_read(
    owner: Client, company: Company, sent: list[object]
) -> None:
    ScoringPolicyFactory(in_force=False)
    assert "Nobody has asked yet." in owner.get("/policies/2/what-if/").text
    page = owner.post("/policies/2/what-if/start/", follow=True)
    job = WhatIf.objects.get()
    assert page.redirect_chain == [("/policies/2/what-if/", 302)]
    assert sent == [job]
    assert 'hx-trigger="every 1s"' in page.text
    assert 'http-equiv="refresh"' in page.text, "and without JavaScript"

    WhatIf.objects.update(state=JobState.RUNNING, stage="scoring", done=1, total=4)
    assert '<progress max="100" value="25"' in owner.get("/policies/2/what-if/").text
    page = owner.post("/policies/2/what-if/cancel/", follow=True)
    assert "Cancelled. Nothing was changed by it." in page.text
    assert "Work it out again" in page.text


def test_the_result_tells_what_moves_and_leads_on(
    admin: Client, owner: Client, company: Company
) -> None:
    job = what_was_worked_out(company.best)
    page = owner.get(f"/policies/{job.policy_id}/what-if/").text
    assert "Against version 1, 1 of 4 scores would move." in page
    assert "promote 0 debts and take 1 back" in page
    assert company.best.title in page
    assert "Taken back" in page
    assert "into force</button>" not in page
    assert "into force</button>" in admin.get(f"/policies/{job.policy_id}/what-if/").text
    ScoringPolicyFactory()
    page = owner.get(f"/policies/{job.policy_id}/what-if/").text
    assert "Since then version 3 has come into force: work it out again." in page


def test_one_that_failed_says_why(owner: Client) -> None:
    WhatIf.objects.create(policy_id=1, state=JobState.FAILED, error="It broke.", hint="Do this.")
    page = owner.get("/policies/1/what-if/").text
    assert "It broke." in page
    assert "Do this." in page


@pytest.mark.parametrize("role", [Role.MEMBER, Role.COMPLIANCE, Role.DIRECTOR])
def test_not_everybody_has_it_worked_out(as_role: Callable[[str], Client], role: str) -> None:
    client = as_role(role)
    assert "Work it out" not in client.get("/policies/1/what-if/").text
    assert client.post("/policies/1/what-if/start/").status_code == 403
    assert not WhatIf.objects.exists()


# --- Costs ----------------------------------------------------------------------------------------


def test_many_versions_and_activations_take_as_many_queries_as_few(owner: Client) -> None:
    counts = []
    for more in (2, 25):
        for _ in range(more):
            ScoringPolicyFactory()
        with CaptureQueriesContext(connection) as queries:
            owner.get("/policies/")
            owner.get("/policies/2/")
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert Score.objects.exists()


ABSURD = [
    {"threshold": 1e30},
    {"threshold": 1e308, "min_confidence": -1e308},
    {"threshold": 10**40, "weights": {"toil": None}},
    {"weights": 5, "priority": {"p0_budget_share": 1e300}},
    ["threshold", 3],
    "3",
]


@pytest.mark.parametrize("payload", ABSURD)
def test_a_version_whose_row_says_absurd_things_is_shown_as_refused(
    admin: Client, payload: object
) -> None:
    version = ScoringPolicyFactory(in_force=False).version
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE debtreg_scoringpolicy SET payload = %s WHERE version = %s",
            [json.dumps(payload), version],
        )
    for path in ("/policies/", f"/policies/{version}/", f"/policies/1/?against={version}"):
        page = admin.get(path)
        assert page.status_code == 200, path
        assert "Refused" in page.text or path.startswith("/policies/1/")


def test_a_debt_shows_its_published_score_where_no_version_of_the_policy_is_good(
    admin: Client,
) -> None:
    item = DebtItemFactory(effort=2.0, impacts=[stated(9_600)])
    scores.score_items([item.pk])
    tamper(1, threshold=0.5)
    page = admin.get(f"/debts/{item.key}/")
    assert page.status_code == 200
    assert "as they were published last" in page.text
    assert "¥9,600" in page.text
    assert "3.00 times" in page.text
