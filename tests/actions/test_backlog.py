"""Promotion by hand, decisions and what follows from them, and capacity under pressure."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from debtreg import plans
from debtreg.actions import backlog, catalog, debt, scores
from debtreg.actions.backlog import IterationFull, NotPromotable, OutOfOrder
from debtreg.errors import Conflict, DebtregError, NotFound
from debtreg.models import (
    AuditEntry,
    BacklogEntry,
    DebtItem,
    FailureScenario,
    MemberRole,
    Prerequisite,
    Role,
    ScenarioMember,
)
from tests.factories import (
    BacklogEntryFactory,
    DebtItemFactory,
    FailureScenarioFactory,
    IterationFactory,
    PriceFactory,
    ScenarioMemberFactory,
    ScoringRunFactory,
    ServiceFactory,
    TeamFactory,
    UserFactory,
    toil,
)
from tests.threads import until_blocked


@pytest.fixture
def team(db):
    PriceFactory(price=200)
    return TeamFactory(name="Payments", day_rate=1600)


@pytest.fixture
def new(team):
    """new(effort=3, hours=72): a debt of the team; ROI = hours x 200 / (effort x 1600)."""

    def make(effort=3, hours=72, **fields):
        impacts = [toil(hours)] if hours else []
        return DebtItemFactory(service=None, team=team, effort=effort, impacts=impacts, **fields)

    return make


@pytest.fixture
def sprint(team):
    return IterationFactory(team=team, name="Sprint 12", capacity_days=5)


def entry_of(item):
    return BacklogEntry.objects.filter(item=item).latest("pk")


# --- Promoting ------------------------------------------------------------------------------------


def test_a_promoted_item_waits_until_it_has_an_iteration(new):
    owner = UserFactory(username="olga", role=Role.ADMIN)
    item = new(effort=2.3, hours=46)
    entry = backlog.promote(pk=item.pk, by=owner)
    assert (entry.state, entry.iteration, entry.team) == ("unscheduled", None, item.team)
    # 2.3 days take two and a half of an iteration.
    assert (entry.repair_days, entry.roi, entry.marginal_roi) == (Decimal("2.5"), 2.5, 2.5)
    assert (entry.promoted_by, entry.reason) == (owner, "Promoted by olga.")
    assert (entry.policy_version, entry.pinned) == (1, True)
    assert AuditEntry.objects.get().action == "backlog.promote"


def test_promoting_again_gives_the_entry_that_is_there(new, sprint):
    item = new()
    first = backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    assert (first.state, first.iteration) == ("planned", sprint)
    assert backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None) == first
    assert backlog.promote(pk=item.pk, by=None).iteration == sprint
    assert BacklogEntry.objects.count() == 1
    assert AuditEntry.objects.count() == 1


def test_promoting_what_waits_puts_it_into_the_iteration(new, sprint):
    item = new()
    waiting = backlog.promote(pk=item.pk, by=None)
    placed = backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    assert (placed.pk, placed.state, placed.iteration) == (waiting.pk, "planned", sprint)
    # Putting it there is a change like any other.
    assert AuditEntry.objects.count() == 2


def test_what_a_run_has_placed_stays_where_a_person_puts_it(new, sprint):
    item = new()
    entry = BacklogEntryFactory(item=item, pinned=False)
    olga = UserFactory(username="olga", role=Role.ADMIN)
    backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=olga)
    entry.refresh_from_db()
    assert (entry.iteration, entry.placed, entry.placed_by) == (sprint, True, olga)
    assert entry.reason == "Put into Sprint 12 by olga."
    # A move is no pin.
    assert entry.pinned is False


def test_promote_says_how_many_days_are_missing(new, sprint):
    backlog.promote(pk=new(effort=2.6).pk, iteration_id=sprint.pk, by=None)
    item = new(effort=3, title="Retries without backoff")
    with pytest.raises(
        IterationFull,
        match=rf"{item.key} 'Retries without backoff' needs 3.0 person-days;"
        r" Sprint 12 has 2.0 left\.",
    ) as full:
        backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    assert (full.value.http_status, full.value.code) == (409, "iteration_full")
    assert not BacklogEntry.objects.filter(item=item).exists()


def test_what_is_done_has_taken_its_part_of_the_iteration(new, sprint):
    done, back = new(effort=3), new(effort=2)
    for item in (done, back):
        backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    debt.resolve(pk=done.pk, by=None)
    backlog.withdraw(entry_id=entry_of(back).pk, reason="", by=None)
    assert backlog.days_left(sprint) == 2
    with pytest.raises(IterationFull, match=r"needs 2.5 .* has 2.0 left"):
        backlog.promote(pk=new(effort=2.5).pk, iteration_id=sprint.pk, by=None)


def test_an_entry_does_not_stand_in_its_own_way(new, sprint):
    item = new(effort=5)
    entry = backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    assert backlog.move(entry_id=entry.pk, iteration_id=sprint.pk, by=None).state == "planned"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": "done"}, "It is resolved"),
        ({"status": "accepted", "accept_reason": "cheap"}, "Accepted: cheap"),
        ({"veto_reason": "rewrite"}, "Vetoed: rewrite"),
        ({"veto_reason": "rewrite", "veto_until": date(2999, 1, 1)}, "Vetoed until 2999-01-01"),
    ],
)
def test_what_was_decided_against_is_not_promoted(new, change, why):
    item = new(**change)
    with pytest.raises(NotPromotable, match=f"{item.key} can't be promoted. {why}"):
        backlog.promote(pk=item.pk, by=None)


@pytest.mark.parametrize("until", [{"veto_reason": "x", "veto_until": timezone.localdate()}])
def test_a_veto_holds_to_the_end_of_its_last_day(new, until, time_machine):
    item = new(**until)
    with pytest.raises(NotPromotable):
        backlog.promote(pk=item.pk, by=None)
    time_machine.move_to(timezone.now() + timedelta(days=1))
    assert backlog.promote(pk=item.pk, by=None).state == "unscheduled"


def test_an_acceptance_ends_with_its_last_day(new, time_machine):
    item = new()
    debt.accept(pk=item.pk, reason="cheap", until=timezone.localdate(), by=None)
    with pytest.raises(NotPromotable, match=r"Accepted until .*: cheap"):
        backlog.promote(pk=item.pk, by=None)
    time_machine.move_to(timezone.now() + timedelta(days=1))
    assert backlog.promote(pk=item.pk, by=None).state == "unscheduled"


def test_an_item_without_team_has_no_backlog(db):
    item = DebtItemFactory(service=None, team=None)
    with pytest.raises(NotPromotable, match="belongs to no team"):
        backlog.promote(pk=item.pk, by=None)


def test_an_iteration_takes_its_own_teams_estimated_items_while_it_is_open(new, sprint):
    others = IterationFactory(name="Their sprint")
    closed = IterationFactory(team=sprint.team, name="Sprint 11", state="closed")
    with pytest.raises(NotPromotable, match="Their sprint belongs to another team"):
        backlog.promote(pk=new().pk, iteration_id=others.pk, by=None)
    with pytest.raises(NotPromotable, match="Sprint 11 is closed"):
        backlog.promote(pk=new().pk, iteration_id=closed.pk, by=None)
    with pytest.raises(NotPromotable, match="no effort estimate"):
        backlog.promote(pk=new(effort=None).pk, iteration_id=sprint.pk, by=None)
    assert not BacklogEntry.objects.exists()


def test_what_is_not_there_is_not_found(new):
    item = new()
    with pytest.raises(NotFound, match="DEBT-999"):
        backlog.promote(pk=999, by=None)
    with pytest.raises(NotFound, match="no iteration 999"):
        backlog.promote(pk=item.pk, iteration_id=999, by=None)
    for action in (
        lambda: backlog.move(entry_id=999, iteration_id=None, by=None),
        lambda: backlog.start(entry_id=999, by=None),
        lambda: backlog.withdraw(entry_id=999, reason="", by=None),
    ):
        with pytest.raises(NotFound, match="no backlog entry 999"):
            action()


# --- Moving, starting, taking back ----------------------------------------------------------------


def test_an_entry_moves_between_iterations_and_back_to_waiting(new, sprint):
    entry = backlog.promote(pk=new().pk, by=None)
    assert backlog.move(entry_id=entry.pk, iteration_id=sprint.pk, by=None).state == "planned"
    moved = backlog.move(entry_id=entry.pk, iteration_id=None, by=None)
    assert (moved.state, moved.iteration, moved.placed) == ("unscheduled", None, True)
    actions = AuditEntry.objects.filter(action="backlog.move").order_by("pk")
    assert [(row.old, row.new) for row in actions] == [
        ({"iteration": None}, {"iteration": "Sprint 12"}),
        ({"iteration": "Sprint 12"}, {"iteration": None}),
    ]


def test_nothing_moves_before_what_it_needs_or_behind_what_needs_it(new, team, sprint):
    later = IterationFactory(
        team=team, name="Sprint 13", starts_on=sprint.starts_on + timedelta(days=14)
    )
    first, second = new(effort=1, title="First"), new(effort=1, title="Second")
    Prerequisite.objects.create(item=second, needs=first)
    before = backlog.promote(pk=first.pk, iteration_id=later.pk, by=None)
    after = backlog.promote(pk=second.pk, iteration_id=later.pk, by=None)

    early = f"would be in Sprint 12 (from {sprint.starts_on}), but it needs {first.key} 'First'"
    with pytest.raises(OutOfOrder) as refused:
        backlog.move(entry_id=after.pk, iteration_id=sprint.pk, by=None)
    assert early in refused.value.message
    assert f"which would be in Sprint 13 (from {later.starts_on})" in refused.value.message
    with pytest.raises(OutOfOrder, match="which would be in no iteration yet"):
        backlog.move(entry_id=before.pk, iteration_id=None, by=None)

    backlog.move(entry_id=before.pk, iteration_id=sprint.pk, by=None)
    assert backlog.move(entry_id=after.pk, iteration_id=sprint.pk, by=None).iteration == sprint


def test_what_is_begun_waits_for_nothing_any_more(new, team, sprint):
    first, second = new(effort=1), new(effort=1)
    Prerequisite.objects.create(item=second, needs=first)
    before = backlog.promote(pk=first.pk, iteration_id=sprint.pk, by=None)
    after = backlog.promote(pk=second.pk, iteration_id=sprint.pk, by=None)
    backlog.start(entry_id=after.pk, by=None)
    assert backlog.move(entry_id=before.pk, iteration_id=None, by=None).iteration is None


def test_a_started_entry_stays_started_wherever_it_is(new, sprint):
    entry = backlog.promote(pk=new().pk, iteration_id=sprint.pk, by=None)
    revision = entry.item.revision
    started = backlog.start(entry_id=entry.pk, by=None)
    assert (started.state, started.iteration) == ("started", sprint)
    item = DebtItem.objects.get(pk=entry.item_id)
    assert (item.status, item.revision) == ("doing", revision + 1)
    assert backlog.move(entry_id=entry.pk, iteration_id=None, by=None).state == "started"
    assert backlog.start(entry_id=entry.pk, by=None).state == "started"
    assert AuditEntry.objects.filter(action="backlog.start").count() == 1


def test_an_entry_is_taken_back_with_a_reason(new, sprint):
    entry = backlog.promote(pk=new().pk, iteration_id=sprint.pk, by=None)
    gone = backlog.withdraw(entry_id=entry.pk, reason=" another way ", by=None)
    assert (gone.state, gone.reason) == ("withdrawn", "another way")
    assert gone.closed_at
    assert backlog.days_left(sprint) == 5
    with pytest.raises(Conflict, match=r"is closed \(taken back\)"):
        backlog.withdraw(entry_id=entry.pk, reason="", by=None)
    with pytest.raises(Conflict, match="is closed"):
        backlog.start(entry_id=entry.pk, by=None)
    again = backlog.promote(pk=entry.item_id, by=None)
    assert again.pk != entry.pk


def test_what_is_started_and_taken_back_is_open_again(new):
    entry = backlog.promote(pk=new().pk, by=None)
    backlog.start(entry_id=entry.pk, by=None)
    backlog.withdraw(entry_id=entry.pk, reason="", by=None)
    assert DebtItem.objects.get(pk=entry.item_id).status == "open"


def test_what_is_pinned_is_not_taken_back(new):
    item = new()
    debt.pin(pk=item.pk, pinned=True, by=None)
    with pytest.raises(Conflict, match="pinned") as error:
        backlog.withdraw(entry_id=entry_of(item).pk, reason="", by=None)
    assert error.value.hint == "Take the pin off first."


# --- Decisions, and what follows ------------------------------------------------------------------


def test_resolving_closes_the_entry_as_done(new, sprint):
    item = new()
    backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    debt.resolve(pk=item.pk, by=None)
    entry = entry_of(item)
    assert (entry.state, entry.iteration) == ("done", sprint)
    assert entry.closed_at


@pytest.mark.parametrize(
    ("decide", "reason"),
    [
        (lambda pk: debt.veto(pk=pk, reason="rewrite", by=None), "Vetoed: rewrite"),
        (lambda pk: debt.accept(pk=pk, reason="cheap", by=None), "Accepted: cheap"),
        (
            lambda pk: debt.accept(pk=pk, reason="cheap", until=date(2999, 1, 1), by=None),
            "Accepted until 2999-01-01: cheap",
        ),
    ],
)
def test_deciding_against_an_item_takes_its_entry_back(new, sprint, decide, reason):
    item = new()
    backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    decide(item.pk)
    entry = entry_of(item)
    assert (entry.state, entry.reason) == ("withdrawn", reason)


def test_pinning_promotes_and_lifts_a_veto(new):
    item = new(hours=None)
    debt.veto(pk=item.pk, reason="rewrite", by=None)
    pinned = debt.pin(pk=item.pk, pinned=True, by=None)
    assert (pinned.veto_reason, pinned.pinned) == ("", True)
    entry = entry_of(item)
    assert (entry.state, entry.reason) == (
        "unscheduled",
        "Pinned: promoted whatever its ROI.",
    )
    debt.pin(pk=item.pk, pinned=False, by=None)
    assert entry_of(item).state == "unscheduled"
    vetoed = debt.veto(pk=item.pk, reason="no", by=None)
    assert (vetoed.pinned, entry_of(item).state) == (False, "withdrawn")


def test_an_item_in_progress_has_started_its_entry(new, sprint):
    item = new()
    backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    debt.update(pk=item.pk, fields={"status": "doing"}, by=None)
    assert entry_of(item).state == "started"
    debt.update(pk=item.pk, fields={"status": "open"}, by=None)
    assert (entry_of(item).state, entry_of(item).iteration) == ("planned", sprint)


def test_an_item_that_goes_to_another_team_waits_in_its_backlog(new, sprint):
    item, other = new(), TeamFactory()
    backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    debt.update(pk=item.pk, fields={"team": other}, by=None)
    entry = entry_of(item)
    assert (entry.team, entry.iteration, entry.state) == (other, None, "unscheduled")
    assert backlog.days_left(sprint) == 5
    assert entry.reason.startswith(f"It has come to {entry.team.name} with its debt")


def test_an_item_that_belongs_to_no_team_any_more_leaves_the_backlog(new, sprint):
    item = new()
    backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    debt.update(pk=item.pk, fields={"team": None}, by=None)
    assert entry_of(item).state == "withdrawn"


def test_an_entry_goes_where_the_service_of_its_item_goes(run, new, sprint):
    service, other = ServiceFactory(team=sprint.team), TeamFactory()
    theirs = IterationFactory(team=other, capacity_days=9)
    item = new(hours=144)
    debt.update(pk=item.pk, fields={"service": service}, by=None)
    backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    service.team = other
    catalog.save(obj=service, by=None)
    run()
    entry = entry_of(item)
    assert (entry.team, entry.iteration) == (other, theirs)


# --- Runs and hands -------------------------------------------------------------------------------


def test_a_run_leaves_what_hands_have_placed(run, new, sprint):
    poor, rich = new(hours=1), new(hours=720)
    backlog.promote(pk=poor.pk, iteration_id=sprint.pk, by=None)
    run()
    assert (entry_of(poor).iteration, entry_of(poor).state) == (sprint, "planned")
    # It needs three of the two days that are left.
    assert (entry_of(rich).iteration, entry_of(rich).state) == (None, "unscheduled")
    assert entry_of(rich).promoted_by is None


def test_a_second_run_leaves_every_entry_as_it_is(run, new, sprint):
    for hours in (72, 73, 144, 720):
        new(hours=hours, effort=2)
    run()
    before = list(BacklogEntry.objects.order_by("pk").values_list())
    assert len(before) == 4
    row = run()
    assert (row.promoted, row.withdrawn) == (0, 0)
    assert list(BacklogEntry.objects.order_by("pk").values_list()) == before


def during_a_run(start, hold, act):
    """Do something after a run has made its plan and before it writes it."""
    gate = hold(plans, "_withdrawn")  # the last step of making it
    work = start(scores.run, ScoringRunFactory().pk, "worker")
    gate.wait_for_arrival()
    act()
    gate.open()
    assert work.result() is True


@pytest.mark.parametrize("what", ["withdraw", "move", "start", "promote", "veto", "pin"])
def test_a_decision_during_a_run_stands(new, sprint, start, hold, what):
    later = IterationFactory(
        team=sprint.team, name="Later", starts_on=sprint.starts_on + timedelta(days=9)
    )
    item, other = new(hours=720), new(hours=72)
    entry = backlog.promote(pk=item.pk, by=None)
    BacklogEntry.objects.update(pinned=False)
    acts = {
        "withdraw": lambda: backlog.withdraw(entry_id=entry.pk, reason="no", by=None),
        "move": lambda: backlog.move(entry_id=entry.pk, iteration_id=later.pk, by=None),
        "start": lambda: backlog.start(entry_id=entry.pk, by=None),
        "promote": lambda: backlog.promote(pk=other.pk, by=None),
        "veto": lambda: debt.veto(pk=item.pk, reason="no", by=None),
        "pin": lambda: debt.pin(pk=other.pk, pinned=True, by=None),
    }
    during_a_run(start, hold, acts[what])
    entry = BacklogEntry.objects.get(pk=entry.pk)
    if what in ("withdraw", "veto"):
        assert entry.state == "withdrawn"
        assert entry.closed_at
    elif what == "move":
        assert entry.iteration == later
    elif what == "start":
        assert (entry.state, entry.item.status) == ("started", "doing")
    else:
        assert entry_of(other).state == "planned" or entry_of(other).state == "unscheduled"
    for active in BacklogEntry.objects.active():
        assert active.closed_at is None


@pytest.mark.postgres_only
@pytest.mark.parametrize("what", ["withdraw", "move", "promote"])
def test_a_decision_while_a_run_looks_at_the_backlogs_stands(new, sprint, start, hold, what):
    """After it has compared them with its plan, before it has locked the items."""
    item, other = new(hours=720), new(hours=144)
    entry = backlog.promote(pk=item.pk, by=None)
    BacklogEntry.objects.update(pinned=False)
    gate = hold(scores.promotion, "_without_edited")
    work = start(scores.run, ScoringRunFactory().pk, "worker")
    gate.wait_for_arrival()
    if what == "withdraw":
        backlog.withdraw(entry_id=entry.pk, reason="no", by=None)
    elif what == "move":
        backlog.move(entry_id=entry.pk, iteration_id=None, by=None)
    else:
        backlog.promote(pk=other.pk, by=None)
    gate.open()
    assert work.result() is True
    entry.refresh_from_db()
    if what == "withdraw":
        assert (entry.state, entry.reason) == ("withdrawn", "no")
    elif what == "move":
        assert (entry.state, entry.iteration, entry.placed) == ("unscheduled", None, True)
    else:
        assert entry_of(other).reason == "Promoted by a job."


def test_an_edit_during_a_run_does_not_overfill_an_iteration(new, sprint, start, hold):
    """The run wants to swap two entries. The one that was to leave is edited, so it stays."""
    poor = new(hours=80, effort=3)
    scores.run(ScoringRunFactory().pk, "worker")
    assert entry_of(poor).iteration == sprint
    rich = new(hours=720, effort=5)
    during_a_run(start, hold, lambda: debt.update(pk=poor.pk, fields={"title": "renamed"}, by=None))
    assert backlog.days_left(sprint) >= 0
    assert not BacklogEntry.objects.filter(item=rich, iteration=sprint).exists()
    scores.run(ScoringRunFactory().pk, "worker")
    assert entry_of(rich).iteration == sprint
    assert entry_of(poor).iteration is None


def test_what_a_person_moves_stays_there_and_says_so_but_is_no_pin(run, new, sprint):
    later = IterationFactory(
        team=sprint.team, name="Later", starts_on=sprint.starts_on + timedelta(days=9)
    )
    olga = UserFactory(username="olga", role=Role.ADMIN)
    item, rich = new(hours=90), new(hours=720, effort=5)
    run()
    entry = entry_of(item)
    backlog.move(entry_id=entry.pk, iteration_id=later.pk, by=olga)
    run()
    entry.refresh_from_db()
    assert (entry.iteration, entry.state) == (later, "planned")
    assert entry.reason == "ROI ≈ 3.8 is above 3. Planned for Later, where olga has put it."
    backlog.move(entry_id=entry.pk, iteration_id=None, by=olga)
    run()
    entry.refresh_from_db()
    assert (entry.iteration, entry.state) == (None, "unscheduled")
    assert entry.reason.endswith(" It waits, as olga wants it to.")
    debt.update(pk=item.pk, fields={}, impacts=[toil(1)], by=None)
    run()
    entry.refresh_from_db()
    assert (entry.state, entry.reason) == ("withdrawn", "ROI ≈ 0.042 has fallen below 2.5.")
    assert entry_of(rich).state == "planned"


def test_a_placement_ends_with_its_iteration(run, new, sprint):
    item = new(hours=144)
    run()
    entry = entry_of(item)
    backlog.move(entry_id=entry.pk, iteration_id=sprint.pk, by=None)
    next_ = IterationFactory(team=sprint.team, name="Sprint 13", capacity_days=5)
    sprint.state = "closed"
    catalog.save(obj=sprint, by=None)
    run()
    entry.refresh_from_db()
    assert (entry.iteration, entry.placed) == (next_, False)


def test_who_has_promoted_an_item_by_hand_is_named_after_a_run(run, new, sprint):
    olga = UserFactory(username="olga", role=Role.ADMIN)
    poor, pinned = new(hours=1), new(hours=1, effort=1)
    backlog.promote(pk=poor.pk, by=olga)
    debt.pin(pk=pinned.pk, pinned=True, by=None)
    run()
    reasons = [entry_of(item).reason for item in (poor, pinned)]
    assert reasons == [
        "Promoted by olga: it stays whatever its ROI. Planned for Sprint 12.",
        "Pinned: promoted whatever its ROI. Planned for Sprint 12.",
    ]


def test_a_run_on_unchanged_input_keeps_what_displaced_what(run, new, sprint):
    poor = new(hours=80, effort=3)
    run()
    rich = new(hours=720, effort=5)
    run()
    out, into = entry_of(poor), entry_of(rich)
    assert (out.displaced_by, into.displaced) == (rich.key, [poor.key])
    assert out.reason.endswith(f" It was displaced by {rich.key}.")
    assert into.reason.endswith(f" It displaced {poor.key}.")
    before = list(BacklogEntry.objects.order_by("pk").values_list())
    run()
    assert list(BacklogEntry.objects.order_by("pk").values_list()) == before
    assert backlog.plan() == []
    # Another number is another reason, but not another placement.
    debt.update(pk=rich.pk, fields={}, impacts=[toil(721)], by=None)
    run()
    into.refresh_from_db()
    assert "ROI ≈ 18 " in into.reason
    assert into.reason.endswith(f" It displaced {poor.key}.")
    # Where it goes on, what was is over.
    wide = IterationFactory(team=sprint.team, name="Wide", capacity_days=9)
    run()
    out.refresh_from_db()
    assert (out.iteration, out.displaced_by) == (wide, "")
    assert "displaced" not in out.reason


def test_what_needs_an_item_of_no_team_is_not_promoted(run, new):
    first, second = new(hours=720), new(hours=720)
    Prerequisite.objects.create(item=second, needs=first)
    DebtItem.objects.filter(pk=first.pk).update(team=None)
    run()
    assert not BacklogEntry.objects.exists()
    DebtItem.objects.filter(pk=first.pk).update(team=second.team)
    run()
    assert BacklogEntry.objects.count() == 2


# --- One team's plan ------------------------------------------------------------------------------


@pytest.fixture
def other(team):
    return TeamFactory(name="Accounts", day_rate=1600)


def test_a_plan_of_one_team_splits_no_alternative_group(run, new, team, other):
    """Half of a bundle saves nothing: it waits for whoever plans the other half, too."""
    scenario = FailureScenarioFactory()
    mine, theirs = new(hours=0), new(hours=0)
    DebtItem.objects.filter(pk=theirs.pk).update(team=other)
    for item in (mine, theirs):
        ScenarioMemberFactory(
            scenario=scenario, item=item, role=MemberRole.ALTERNATIVE, group="copies"
        )
    alone = new(hours=144)
    IterationFactory(team=team, capacity_days=6)
    scores.score_items([mine.pk, theirs.pk, alone.pk])
    made = {each["debt"]: each for each in backlog.apply_plan(team=team, by=None)}
    assert {key: each["change"] for key, each in made.items()} == {
        alone.key: "add",
        mine.key: "leave",
    }
    assert made[mine.key]["reason"] == (
        f"Left as it is: it goes only together with {theirs.key} of another team."
        " Let a run plan all teams."
    )
    assert (made[mine.key]["iteration"], made[mine.key]["state"]) == (None, "withdrawn")
    assert list(BacklogEntry.objects.values_list("item", flat=True)) == [alone.pk]
    backlog.apply_plan(by=None)
    assert BacklogEntry.objects.count() == 3
    # Nor does it take back one half.
    ScenarioMember.objects.filter(item=theirs).update(effectiveness=0.1)
    FailureScenario.objects.update(trigger_rate=0.1)
    scores.score_items([mine.pk, theirs.pk])
    assert [each["change"] for each in backlog.apply_plan(team=other, by=None)] == ["leave"]
    run()
    assert BacklogEntry.objects.active().get().item == alone


def test_a_plan_of_one_team_promotes_nothing_before_what_it_needs(new, team, other):
    first, second = new(hours=144), new(hours=144)
    DebtItem.objects.filter(pk=first.pk).update(team=other)
    Prerequisite.objects.create(item=second, needs=first)
    scores.score_items([first.pk, second.pk])
    assert [each["change"] for each in backlog.plan(team=team)] == ["leave"]
    backlog.apply_plan(team=team, by=None)
    assert not BacklogEntry.objects.exists()
    # The other way round nothing is missing.
    backlog.apply_plan(team=other, by=None)
    assert BacklogEntry.objects.get().item == first
    backlog.apply_plan(team=team, by=None)
    assert BacklogEntry.objects.count() == 2


def test_a_plan_of_one_team_takes_nothing_away_from_what_needs_it(run, new, team, other):
    first, second = new(hours=144), new(hours=144)
    DebtItem.objects.filter(pk=first.pk).update(team=other)
    Prerequisite.objects.create(item=second, needs=first)
    run()
    for item in (first, second):
        debt.update(pk=item.pk, fields={}, impacts=[toil(1)], by=None)
    assert [each["change"] for each in backlog.apply_plan(team=other, by=None)] == ["leave"]
    assert BacklogEntry.objects.active().count() == 2
    backlog.apply_plan(team=team, by=None)
    backlog.apply_plan(team=other, by=None)
    assert not BacklogEntry.objects.active().exists()


# --- Many hands -----------------------------------------------------------------------------------


def test_promoting_at_once_never_overfills_an_iteration(new, sprint, start):
    items = [new(effort=1.5) for _ in range(8)]
    futures = [
        start(backlog.promote, pk=item.pk, iteration_id=sprint.pk, by=None) for item in items
    ]
    errors = [future.exception() for future in futures]
    assert errors.count(None) == 3
    assert {type(error) for error in errors if error} == {IterationFull}
    assert backlog.days_left(sprint) == Decimal("0.5")


def test_promoting_one_item_at_once_makes_one_entry(new, sprint, start):
    item = new()
    futures = [
        start(backlog.promote, pk=item.pk, iteration_id=sprint.pk, by=None) for _ in range(8)
    ]
    assert len({future.result().pk for future in futures}) == 1
    assert BacklogEntry.objects.count() == 1


@pytest.mark.postgres_only
def test_deciding_on_an_entry_while_its_item_is_edited_is_no_deadlock(new, sprint, start):
    item = new()
    entry = backlog.promote(pk=item.pk, by=None)
    for act in (
        lambda: backlog.move(entry_id=entry.pk, iteration_id=sprint.pk, by=None),
        lambda: backlog.start(entry_id=entry.pk, by=None),
        lambda: backlog.withdraw(entry_id=entry.pk, reason="", by=None),
    ):
        # An edit locks the item first and its entry last.
        with transaction.atomic():
            edited = DebtItem.objects.select_for_update().get(pk=item.pk)
            acting = start(act)
            until_blocked(acting)
            backlog.follow(edited)
        acting.result()
    assert entry_of(item).state == "withdrawn"


def test_every_refusal_says_what_to_do(new, sprint):
    """An error for people has a hint."""
    item = new(effort=9)
    with pytest.raises(DebtregError) as full:
        backlog.promote(pk=item.pk, iteration_id=sprint.pk, by=None)
    assert full.value.hint == "Choose a later iteration, or take something out of this one."


def test_entries_of_an_old_plan_are_no_obstacle(run, new):
    """An item that was withdrawn, promoted and withdrawn again."""
    item = new(hours=720)
    for _ in range(2):
        entry = backlog.promote(pk=item.pk, by=None)
        backlog.withdraw(entry_id=entry.pk, reason="", by=None)
    run()
    assert BacklogEntry.objects.filter(item=item).count() == 3
    assert entry_of(item).state == "unscheduled"
    BacklogEntryFactory(item=new(), state="done")


def test_what_displaced_an_entry_is_not_named_any_more_once_it_is_gone(new, sprint):
    first, second = new(), new()
    by = BacklogEntryFactory(item=first, iteration=sprint, state="planned")
    out = BacklogEntryFactory(
        item=second,
        displaced_by=first.key,
        reason=f"ROI 3.00 is above 3. It was displaced by {first.key}.",
    )
    debt.veto(pk=by.item_id, reason="not now", by=None)
    out.refresh_from_db()
    assert (out.displaced_by, out.reason) == ("", "ROI 3.00 is above 3.")


def test_a_run_drops_what_displaced_an_entry_where_that_is_in_no_iteration(run, new, team):
    first, second = new(), new()
    BacklogEntryFactory(item=first)
    out = BacklogEntryFactory(item=second, displaced_by=first.key)
    run()
    out.refresh_from_db()
    assert out.displaced_by == ""
    assert "displaced" not in out.reason


def test_what_is_left_out_names_the_money_and_what_it_displaced_holds_no_longer_than_it_does(
    run, new, sprint
):
    poor, rich = new(effort=3, hours=144), new(effort=3, hours=288)
    gone = new(effort=1, hours=9)
    BacklogEntryFactory(item=gone, pinned=True, state="unscheduled")
    BacklogEntryFactory(
        item=rich, iteration=sprint, state="planned", displaced=[gone.key, "DEBT-0"]
    )
    run()
    # 144 hours more at 200 each.
    assert entry_of(poor).reason.endswith(
        " No open iteration has room for its 3 person-days:"
        " what would have to make room saves 28,800 CNY more a year."
    )
    assert entry_of(rich).displaced == []
    assert "displaced" not in entry_of(rich).reason
