"""Versions of the policy: created, put into force, rolled back, signed anew."""

import copy
import importlib

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from debtreg import plans, versions
from debtreg.actions import debt, policies, scores
from debtreg.actions.debt import NotValid
from debtreg.errors import Conflict, NotAllowed, NotFound
from debtreg.models import (
    AuditEntry,
    BacklogEntry,
    JobState,
    PolicyActivation,
    Role,
    Score,
    ScoreChange,
    ScoringPolicy,
    ScoringRun,
)
from tests import portfolio
from tests.factories import (
    DebtItemFactory,
    ScoringPolicyFactory,
    ScoringRunFactory,
    UserFactory,
    stated,
    tamper,
)
from tests.threads import until_blocked

PAYLOAD = importlib.import_module("debtreg.migrations.0002_defaults").POLICY_1


def payload(**changes):
    return copy.deepcopy(PAYLOAD) | changes


def in_force():
    return versions.in_force().version


def history():
    """(version, whether by a rollback) of each activation, the first one first."""
    return list(PolicyActivation.objects.order_by("pk").values_list("policy", "is_rollback"))


# --- Create ---------------------------------------------------------------------------------------


def test_a_new_version_is_signed_numbered_and_not_yet_in_force(db):
    admin = UserFactory(role=Role.ADMIN)
    row = policies.create(payload=payload(threshold=4), note=" Dearer people. ", by=admin)
    row = ScoringPolicy.objects.get(pk=row.pk)
    assert (row.version, row.note, row.created_by) == (2, "Dearer people.", admin)
    assert row.payload == payload(threshold=4.0)
    assert versions.read(row).threshold == 4.0
    assert in_force() == 1
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.object_key, entry.actor) == ("policy.create", "2", admin)
    assert entry.new["payload"]["threshold"] == 4.0
    assert not ScoringRun.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({"threshold": -1}, "payload.threshold", "less than the minimum of 0"),
        ({"threshold": "3"}, "payload.threshold", "not of type 'number'"),
        ({"threshold": None}, "payload.threshold", "not of type 'number'"),
        ({"threshold": float("inf")}, "payload.threshold", "greater than the maximum"),
        ({"threshold": float("nan")}, "payload.threshold", "is nan; allowed is a finite number"),
        ({"threshold": 10**400}, "payload.threshold", "greater than the maximum"),
        ({"demote_below": 3.1}, "payload.demote_below", "at most the threshold, 3.0"),
        ({"weights": {}}, "payload.weights", "'latency' is a required property"),
        ({"luck": 1}, "payload", "'luck' was unexpected"),
    ],
)
def test_a_payload_that_breaks_the_schema_is_refused_by_the_name_of_the_field(
    db, changes, field, problem
):
    with pytest.raises(NotValid) as refused:
        policies.create(payload=payload(**changes), by=None)
    assert problem in refused.value.fields[field][0]
    assert problem in refused.value.message
    assert ScoringPolicy.objects.count() == 1


@pytest.mark.parametrize("nothing", [None, [], "x", 3, {}])
def test_what_is_no_policy_at_all_is_refused(db, nothing):
    with pytest.raises(NotValid, match="policy is refused"):
        policies.create(payload=nothing, by=None)


def test_every_wrong_field_is_named_at_once(db):
    wrong = payload(threshold=-1, min_confidence=2)
    with pytest.raises(NotValid) as refused:
        policies.create(payload=wrong, note="x" * 301, by=None)
    assert refused.value.fields.keys() == {"payload.min_confidence", "payload.threshold", "note"}


@pytest.mark.postgres_only
def test_versions_that_come_at_the_same_time_get_numbers_of_their_own(transactional_db, start):
    made = [start(policies.create, payload=payload(), by=None) for _ in range(8)]
    assert sorted(future.result().version for future in made) == list(range(2, 10))


# --- Differences ----------------------------------------------------------------------------------


def test_two_versions_differ_field_by_field_in_the_order_of_the_schema(db):
    weights = PAYLOAD["weights"] | {"toil": 2}
    row = ScoringPolicyFactory(min_confidence=0.8, threshold=3, weights=weights)
    found = versions.differences(ScoringPolicy.objects.get(version=1).payload, row.payload)
    assert [(each.field, each.old, each.new) for each in found] == [
        ("weights.toil", 1.0, 2),
        ("min_confidence", 0.0, 0.8),
    ]
    assert found[0].meaning == "multiplier of the benefit, neutral 1"
    assert versions.differences(row.payload, row.payload) == []


def test_what_was_tampered_with_can_be_compared_whatever_shape_it_has():
    found = versions.differences(payload(), payload(luck={"a": [1]}, weights=7))
    assert [(each.field, each.new) for each in found[-2:]] == [("luck.a", [1]), ("weights", 7)]
    assert [each.new for each in found[:8]] == [None] * 8
    assert versions.differences(payload(), [])[-1].new == []


def test_a_payload_is_put_together_again_from_its_fields():
    assert versions.nested(versions.flat(PAYLOAD)) == PAYLOAD
    assert {field.path for field in versions.FIELDS} == versions.flat(PAYLOAD).keys()


# --- Activate -------------------------------------------------------------------------------------


def test_activating_puts_one_version_into_force_and_asks_for_a_run(db):
    admin = UserFactory(role=Role.ADMIN)
    ScoringPolicyFactory(in_force=False)
    activation = policies.activate(version=2, by=admin)
    assert (in_force(), history()) == (2, [(1, False), (2, False)])
    assert (activation.by, activation.previous.policy_id) == (admin, 1)
    assert ScoringRun.objects.get().state == JobState.QUEUED
    entry = AuditEntry.objects.get(action="policy.activate")
    assert (entry.old, entry.new, entry.actor) == ({"version": 1}, {"version": 2}, admin)


def test_activating_what_is_in_force_changes_nothing(db):
    policies.activate(version=1, by=None)
    assert history() == [(1, False)]
    assert not ScoringRun.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_version_that_is_not_there_is_not_activated(db):
    with pytest.raises(NotFound, match="no version 99 of"):
        policies.activate(version=99, by=None)


@pytest.mark.parametrize("how", ["signature", "schema"])
def test_a_refused_version_is_not_activated_and_it_is_said_why(db, how):
    if how == "signature":
        ScoringPolicyFactory(in_force=False)
        tamper(2, threshold=0.1)
        wanted = "its signature does not fit what it says"
    else:
        ScoringPolicyFactory(threshold=-1, in_force=False)
        wanted = "threshold is refused: -1 is less than the minimum of 0"
    with pytest.raises(versions.PolicyRefused, match=wanted) as refused:
        policies.activate(version=2, by=None)
    assert refused.value.http_status == 409
    assert (in_force(), history()) == (1, [(1, False)])
    assert not ScoringRun.objects.exists()


@pytest.mark.postgres_only
def test_two_activations_at_the_same_time_come_one_after_the_other(
    transactional_db, start, hold, monkeypatch
):
    """The second one waits for the first, and knows of it."""
    for _ in range(2):
        ScoringPolicyFactory(in_force=False)
    gate = hold(scores, "queue_run")
    first = start(policies.activate, version=2, by=None)
    gate.wait_for_arrival()
    second = start(policies.activate, version=3, by=None)
    until_blocked(second)
    assert in_force() == 1, "readers see the one before until the activation is committed"
    gate.open()
    first.result(), second.result()
    assert (in_force(), history()) == (3, [(1, False), (2, False), (3, False)])
    assert PolicyActivation.objects.first().previous.policy_id == 2
    assert ScoringRun.objects.count() == 1


@pytest.mark.postgres_only
def test_many_activations_and_rollbacks_at_once_leave_exactly_one_in_force(transactional_db, start):
    for _ in range(4):
        ScoringPolicyFactory(in_force=False)

    def change(number):
        for _ in range(3):
            policies.activate(version=2 + number, by=None)
            try:
                policies.rollback(by=None)
            except Conflict:
                assert in_force() == 1

    for future in [start(change, number) for number in range(4)]:
        future.result()
    past = list(versions.lineage())
    assert in_force() == past[0].policy_id
    assert past[-1].previous is None, "each leads back to the first one"
    assert past[-1].policy_id == 1


# --- Roll back ------------------------------------------------------------------------------------


def test_a_rollback_goes_back_to_the_version_before_and_once_more_further_back(db):
    for version in (2, 3):
        ScoringPolicyFactory(in_force=False)
        policies.activate(version=version, by=None)
    admin = UserFactory(role=Role.ADMIN)
    assert policies.rollback(by=admin).policy_id == 2
    assert policies.rollback(by=admin).policy_id == 1
    assert history()[3:] == [(2, True), (1, True)]
    with pytest.raises(Conflict, match=r"Before version 1 .* no other one was in force"):
        policies.rollback(by=admin)
    assert AuditEntry.objects.filter(action="policy.rollback", actor=admin).count() == 2


def test_a_rollback_never_brings_back_what_was_rolled_back(db):
    for version in (2, 3):
        ScoringPolicyFactory(in_force=False)
        policies.activate(version=version, by=None)
    policies.rollback(by=None)
    ScoringPolicyFactory(in_force=False)
    policies.activate(version=4, by=None)
    assert policies.rollback(by=None).policy_id == 2
    assert policies.rollback(by=None).policy_id == 1


def test_a_rollback_asks_for_a_run_and_passes_over_what_is_refused(db):
    for _ in range(3):
        ScoringPolicyFactory()
    tamper(3, threshold=0)
    assert policies.rollback(by=None).policy_id == 2
    assert ScoringRun.objects.count() == 1


def test_a_second_click_on_roll_back_does_not_go_further_back(db):
    for _ in range(2):
        ScoringPolicyFactory()
    policies.rollback(by=None, leaving=3)
    with pytest.raises(Conflict, match="version 2 of the scoring policy was activated, and not 3"):
        policies.rollback(by=None, leaving=3)
    assert in_force() == 2


def test_a_rollback_ends_with_a_tampered_one_in_force(db):
    ScoringPolicyFactory()
    ScoringPolicyFactory()
    tamper(3, threshold=0)
    assert (in_force(), versions.standing().problem is None) == (2, False)
    policies.rollback(by=None)
    assert (in_force(), versions.standing().problem is None) == (2, True)
    assert policies.rollback(by=None).policy_id == 1


def test_a_new_version_mends_an_installation_without_a_good_one(db):
    tamper(1, threshold=0)
    with pytest.raises(Conflict, match="Before version 1"):
        policies.rollback(by=None)
    policies.create(payload=payload(), by=None)
    policies.activate(version=2, by=None)
    assert in_force() == 2


# --- What goes on meanwhile -----------------------------------------------------------------------


def test_a_run_finishes_with_the_version_it_began_with_and_the_next_takes_the_new_one(
    transactional_db, start, hold
):
    DebtItemFactory(effort=1, impacts=[stated(4800)])
    ScoringPolicyFactory(threshold=2.9, weights={"stated": 2}, in_force=False)
    gate = hold(plans, "propose")
    row = ScoringRunFactory()
    work = start(scores.run, row.pk, "worker")
    gate.wait_for_arrival()
    policies.activate(version=2, by=None)
    gate.open()
    assert work.result() is True
    row.refresh_from_db()
    assert row.policy_id == 1
    score = Score.objects.get()
    assert (score.policy_version, score.roi, score.promotes) == (1, 3.0, False)
    assert not BacklogEntry.objects.exists()

    waiting = ScoringRun.objects.get(state=JobState.QUEUED)
    assert scores.run(waiting.pk, "worker")
    score.refresh_from_db()
    assert (score.policy_version, score.roi, score.promotes) == (2, 6.0, True)
    entry, change = BacklogEntry.objects.get(), ScoreChange.objects.get()
    assert (entry.policy_version, entry.reason[:9]) == (2, "ROI ≈ 6.0")
    assert (change.cause, change.policy_version, change.old_roi) == ("policy", 2, 3.0)


def test_scoring_goes_on_under_the_last_good_one_where_the_active_one_is_tampered_with(run):
    portfolio.build()
    run()
    ScoringPolicyFactory(weights={"latency": 2})
    tamper(2, threshold=0.1)
    row = run()
    assert (row.state, row.policy_id, row.changed) == ("done", 1, 0)
    item = DebtItemFactory(effort=1, impacts=[stated(1600)])
    debt.update(pk=item.pk, fields={"cash": 10}, by=None)
    assert Score.objects.get(pk=item.pk).policy_version == 1


def test_without_a_good_one_a_run_fails_with_what_to_do_and_publishes_nothing(run):
    from debtreg import tasks

    portfolio.build()
    run()
    before = portfolio.rows()
    tamper(1, threshold=0.1)
    row = ScoringRunFactory()
    assert tasks.run_scoring(row.pk) is False
    row.refresh_from_db()
    assert row.state == "failed"
    assert "nothing can be scored" in row.error
    assert "sign_policies" in row.hint
    assert portfolio.rows() == before


# --- Signatures -----------------------------------------------------------------------------------

NEW_KEY = "another key, long enough to be taken for one that somebody made up"


def test_signatures_are_renewed_for_what_an_older_key_has_signed_and_for_nothing_else(db, settings):
    ScoringPolicyFactory()
    ScoringPolicyFactory(in_force=False)
    tamper(3, threshold=0.1)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW_KEY, [settings.SECRET_KEY]
    assert [row.version for row in policies.renew_signatures(by=None)] == [1, 2]
    settings.SECRET_KEY_FALLBACKS = []
    assert in_force() == 2
    assert versions.problem_of(ScoringPolicy.objects.get(version=3))
    assert policies.renew_signatures(by=None) == []
    assert AuditEntry.objects.filter(action="policy.sign").count() == 2


def test_a_version_whose_key_is_lost_is_signed_as_it_stands_by_name(db, settings):
    settings.SECRET_KEY = NEW_KEY
    assert versions.standing().row is None
    policies.sign(version=1, by=None)
    assert in_force() == 1
    assert ScoringRun.objects.count() == 1, "it comes into force by that"


def test_signing_what_is_not_in_force_scores_nothing(db):
    ScoringPolicyFactory(in_force=False)
    tamper(2, threshold=3.5)
    policies.sign(version=2, by=None)
    assert not ScoringRun.objects.exists()


def test_what_breaks_the_schema_is_not_signed(db):
    tamper(1, threshold=-1)
    with pytest.raises(versions.PolicyRefused, match="threshold"):
        policies.sign(version=1, by=None)


# --- Rights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [role for role in Role.values if role != Role.ADMIN])
def test_only_administrators_change_what_is_in_force(db, role):
    user = UserFactory(role=role)
    ScoringPolicyFactory()
    for attempt in (
        lambda: policies.create(payload=payload(), by=user),
        lambda: policies.activate(version=1, by=user),
        lambda: policies.rollback(by=user),
        lambda: policies.sign(version=1, by=user),
        lambda: policies.renew_signatures(by=user),
    ):
        with pytest.raises(NotAllowed, match="change the scoring policy"):
            attempt()
    assert (in_force(), ScoringPolicy.objects.count()) == (2, 2)


def test_a_rollback_takes_as_many_queries_however_long_the_history_is(db):
    counts = []
    for version in (2, 3, 23):
        for _ in range(version - ScoringPolicy.objects.count()):
            ScoringPolicyFactory()
        with CaptureQueriesContext(connection) as queries:
            policies.rollback(by=None)
        counts.append(len(queries))
        ScoringRun.objects.all().delete()
    assert len(set(counts)) == 1, counts
