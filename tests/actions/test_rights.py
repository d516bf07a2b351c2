"""Who may do what, on their own team's things and on another's."""

import pytest

from debtreg.actions import (
    backlog,
    catalog,
    debt,
    policies,
    rights,
    scenarios,
    scores,
    slos,
    users,
    what_if,
)
from debtreg.errors import NotAllowed, NotFound
from debtreg.models import AuditEntry, BacklogEntry, DebtItem, Role, ScoringRun
from tests.factories import (
    DebtItemFactory,
    IterationFactory,
    MaintenanceFactory,
    PriceFactory,
    ScenarioMemberFactory,
    ServiceFactory,
    SloFactory,
    TeamFactory,
    UserFactory,
)

MEMBER, OWNER, SRE, COMPLIANCE, DIRECTOR, ADMIN = (
    Role.MEMBER,
    Role.PRODUCT_OWNER,
    Role.SRE,
    Role.COMPLIANCE,
    Role.DIRECTOR,
    Role.ADMIN,
)
# Verb -> who may in their own team, who in another, who where there is no team.
TABLE = {
    "debt.change": ({MEMBER, OWNER, SRE, ADMIN}, {SRE, ADMIN}, {MEMBER, OWNER, SRE, ADMIN}),
    "debt.decide": ({OWNER, ADMIN}, {ADMIN}, {OWNER, ADMIN}),
    "outcome.measure": ({MEMBER, OWNER, SRE, ADMIN}, {SRE, ADMIN}, {MEMBER, OWNER, SRE, ADMIN}),
    "iteration.change": ({OWNER, ADMIN}, {ADMIN}, {OWNER, ADMIN}),
    "catalog.change": ({SRE, ADMIN},) * 3,
    "contract.confirm": ({SRE, COMPLIANCE, ADMIN},) * 3,
    "scenario.change": ({SRE, ADMIN},) * 3,
    "slo.change": ({SRE, ADMIN},) * 3,
    "ledger.import": ({MEMBER, OWNER, SRE, ADMIN},) * 3,
    "run.start": ({OWNER, SRE, ADMIN},) * 3,
    "policy.change": ({ADMIN},) * 3,
    "policy.what_if": ({OWNER, SRE, ADMIN},) * 3,
    "everything": ({ADMIN},) * 3,
}


@pytest.mark.parametrize("role", Role.values)
@pytest.mark.parametrize("verb", TABLE)
def test_rights_go_by_role_and_team(db, verb, role):
    own, other = TeamFactory(), TeamFactory()
    user = UserFactory(role=role, teams=[own])
    in_own, in_other, in_none = TABLE[verb]
    assert rights.may(user, verb, own) is (role in in_own)
    assert rights.may(user, verb, other) is (role in in_other)
    assert rights.may(user, verb) is (role in in_none)
    item = DebtItemFactory.build(service=None, team=other)
    assert rights.may(user, verb, item) is (role in in_other)


def test_jobs_and_superusers_may_everything(db):
    other = TeamFactory()
    root = UserFactory(role=Role.DIRECTOR, is_superuser=True)
    for verb in TABLE:
        assert rights.may(None, verb, other)
        assert rights.may(root, verb, other)


def test_who_has_left_may_nothing(db):
    gone = UserFactory(role=Role.ADMIN, is_active=False)
    assert not any(rights.may(gone, verb) for verb in TABLE)


def test_a_refusal_says_who_may(db):
    director = UserFactory(role=Role.DIRECTOR)
    with pytest.raises(NotAllowed, match="You may not decide on debts here") as refused:
        rights.check(director, "debt.decide", TeamFactory())
    assert refused.value.http_status == 403
    assert "Product owner" in refused.value.hint
    assert "Administrator" in refused.value.hint


@pytest.fixture
def things(db):
    """An item with an entry, an iteration and the rest, of a team; and users of another."""
    PriceFactory()
    team, other = TeamFactory(), TeamFactory()
    service = ServiceFactory(team=team)
    item = DebtItemFactory(service=service, impacts=[])
    backlog.promote(pk=item.pk, by=None)
    return {
        "item": item,
        "service": service,
        "team": team,
        "iteration": IterationFactory(team=team),
        "entry": BacklogEntry.objects.get(),
        "scenario": ScenarioMemberFactory(item=item).scenario,
        "slo": SloFactory(service=service),
        "people": {
            "own": {role: UserFactory(role=role, teams=[team]) for role in Role.values},
            "other": {role: UserFactory(role=role, teams=[other]) for role in Role.values},
        },
        "other": other,
    }


def moved_to(iteration, team):
    iteration.team = team
    return iteration


# What is done -> who of the item's own team may, who of another.
ACTIONS = {
    "create": (
        lambda t, by: debt.create(fields={"title": "new", "service": t["service"]}, by=by),
        "debt.change",
    ),
    "update": (
        lambda t, by: debt.update(pk=t["item"].pk, fields={"title": "x"}, by=by),
        "debt.change",
    ),
    "resolve": (lambda t, by: debt.resolve(pk=t["item"].pk, by=by), "debt.change"),
    "start": (lambda t, by: backlog.start(entry_id=t["entry"].pk, by=by), "debt.change"),
    "veto": (lambda t, by: debt.veto(pk=t["item"].pk, reason="x", by=by), "debt.decide"),
    "lift": (lambda t, by: debt.lift_veto(pk=t["item"].pk, by=by), "debt.decide"),
    "accept": (lambda t, by: debt.accept(pk=t["item"].pk, reason="x", by=by), "debt.decide"),
    "accept by status": (
        lambda t, by: debt.update(pk=t["item"].pk, fields={"status": "accepted"}, by=by),
        "debt.decide",
    ),
    "pin": (lambda t, by: debt.pin(pk=t["item"].pk, pinned=True, by=by), "debt.decide"),
    "promote": (lambda t, by: backlog.promote(pk=t["item"].pk, by=by), "debt.decide"),
    "move": (
        lambda t, by: backlog.move(entry_id=t["entry"].pk, iteration_id=None, by=by),
        "debt.decide",
    ),
    "withdraw": (
        lambda t, by: backlog.withdraw(entry_id=t["entry"].pk, reason="", by=by),
        "debt.decide",
    ),
    "apply the plan": (lambda t, by: backlog.apply_plan(team=t["team"], by=by), "debt.decide"),
    "apply all plans": (lambda t, by: backlog.apply_plan(by=by), "everything"),
    "iteration": (lambda t, by: catalog.save(obj=t["iteration"], by=by), "iteration.change"),
    "remove iteration": (
        lambda t, by: catalog.remove(obj=t["iteration"], by=by),
        "iteration.change",
    ),
    "service": (lambda t, by: catalog.save(obj=t["service"], by=by), "catalog.change"),
    "run": (lambda t, by: scores.request_run(by=by), "run.start"),
    "cancel": (
        lambda t, by: scores.cancel_run(run_id=scores.queue_run(by=None).pk, by=by),
        "run.start",
    ),
    "scenario": (
        lambda t, by: scenarios.create(
            fields={"name": "new"}, members=[{"item_id": t["item"].pk, "role": "gate"}], by=by
        ),
        "scenario.change",
    ),
    "change a scenario": (
        lambda t, by: scenarios.update(pk=t["scenario"].pk, fields={"name": "x"}, by=by),
        "scenario.change",
    ),
    "remove a scenario": (
        lambda t, by: scenarios.remove(pk=t["scenario"].pk, by=by),
        "scenario.change",
    ),
    "slo": (
        lambda t, by: slos.save(slo=SloFactory.build(service=t["service"]), by=by),
        "slo.change",
    ),
    "remove an slo": (lambda t, by: slos.remove(slo=t["slo"], by=by), "slo.change"),
    "maintenance": (
        lambda t, by: slos.save_maintenance(maintenance=MaintenanceFactory.build(), by=by),
        "slo.change",
    ),
    "remove maintenance": (
        lambda t, by: slos.remove_maintenance(maintenance=MaintenanceFactory(), by=by),
        "slo.change",
    ),
    "what if": (lambda t, by: what_if.request(version=1, by=by), "policy.what_if"),
    "activate": (lambda t, by: policies.activate(version=1, by=by), "policy.change"),
    "load": (lambda t, by: catalog.load(document={}, by=by), "catalog.change"),
}


@pytest.mark.parametrize("where", ["own", "other"])
@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_asks_whether_its_user_may(things, name, where):
    act, verb = ACTIONS[name]
    allowed = TABLE[verb][0 if where == "own" else 1]
    refused = set()
    for role in Role.values:
        if role not in allowed:
            before = DebtItem.objects.count(), AuditEntry.objects.count()
            with pytest.raises(NotAllowed):
                act(things, things["people"][where][role])
            refused.add(role)
            ScoringRun.objects.all().delete()
            AuditEntry.objects.filter(action="run.request").delete()
            assert (DebtItem.objects.count(), AuditEntry.objects.count()) == before
    assert refused == set(Role.values) - allowed
    act(things, things["people"][where][sorted(allowed)[0]])


def test_nobody_gives_an_item_to_a_team_that_is_not_theirs(things):
    engineer = things["people"]["own"][Role.MEMBER]
    with pytest.raises(NotAllowed):
        debt.update(pk=things["item"].pk, fields={"team": things["other"]}, by=engineer)
    with pytest.raises(NotAllowed):
        debt.create(fields={"title": "new", "team": things["other"]}, by=engineer)
    item = DebtItem.objects.get(pk=things["item"].pk)
    assert (item.team, item.revision) == (things["team"], things["item"].revision)


def test_nobody_takes_an_iteration_from_another_team(things):
    owner = things["people"]["other"][Role.PRODUCT_OWNER]
    with pytest.raises(NotAllowed):
        catalog.save(obj=moved_to(things["iteration"], things["other"]), by=owner)


def test_tokens_are_their_users_own_business(db):
    engineer, other, admin = UserFactory(), UserFactory(), UserFactory(role=Role.ADMIN)
    token, _ = users.create_token(user=engineer, name="export", by=engineer)
    with pytest.raises(NotAllowed):
        users.create_token(user=engineer, name="export", by=other)
    with pytest.raises(NotFound):
        users.revoke_token(token_id=token.pk, by=other)
    assert users.create_token(user=engineer, name="for them", by=admin)[0].user == engineer
    assert users.revoke_token(token_id=token.pk, by=engineer).revoked_at
