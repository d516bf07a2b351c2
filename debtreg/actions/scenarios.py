"""Failure scenarios: what several debts cause together. All of their members are scored at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg import frames
from debtreg.actions import audit, deciding, rights, scores
from debtreg.actions.debt import AmountTooLarge, NotValid
from debtreg.errors import Conflict, NotFound
from debtreg.models import (
    MOST_MEMBERS,
    Cause,
    DebtItem,
    FailureScenario,
    MemberRole,
    ScenarioMember,
    User,
)
from debtreg.models.debt import KEY_PREFIX
from debtreg.numbers import plain

_COLUMNS = ("item_id", "role", "group", "probability", "effectiveness")


class ScenarioChanged(Conflict):
    """Somebody else has changed the scenario since it was read."""


@transaction.atomic
def create(
    *, fields: Mapping[str, Any], members: Sequence[Mapping[str, Any]], by: User | None
) -> FailureScenario:
    """Add a scenario and score its members.

    fields : columns of FailureScenario
    members : columns of ScenarioMember: item_id, role, and what goes with the role
    Raises NotValid for all that is wrong, `members[0].debt` and so on.
    """
    rights.check(by, "scenario.change")
    scenario = FailureScenario(**fields)
    rows = _checked(scenario, members)
    _store(scenario)
    _put(scenario, rows)
    _score(row.item_id for row in rows)
    audit.record("scenario.create", scenario, by=by, new=_values(scenario, rows))
    return scenario


@transaction.atomic
def update(
    *,
    pk: int,
    fields: Mapping[str, Any],
    members: Sequence[Mapping[str, Any]] | None = None,
    by: User | None,
    revision: int | None = None,
) -> FailureScenario:
    """Change a scenario, and score its members and those it had. A repeat changes nothing.

    `members` replace what is there unless None. With `revision`, a change on top of somebody
    else's is refused: ScenarioChanged.
    """
    rights.check(by, "scenario.change")
    scenario = FailureScenario.objects.select_for_update().filter(pk=pk).first()
    if scenario is None:
        raise NotFound(
            _("There is no failure scenario %(pk)s.") % {"pk": pk},
            hint=_("Look it up in the list."),
        )
    if revision is not None and revision != scenario.revision:
        raise ScenarioChanged(
            _(
                "'%(name)s' has changed since you read it: it is at revision %(revision)s, "
                "you have %(yours)s."
            )
            % {"name": scenario.name, "revision": scenario.revision, "yours": revision},
            hint=_("Read it again and repeat your change."),
        )
    before = list(scenario.members.all())
    old = _values(scenario, before)
    for name, value in fields.items():
        setattr(scenario, name, value)
    if members is None:
        members = [{name: getattr(row, name) for name in _COLUMNS} for row in before]
    rows = _checked(scenario, members, also=[row.item_id for row in before])
    new = _values(scenario, rows)
    if old == new:
        return scenario
    scenario.revision += 1
    scenario.updated_at = timezone.now()
    _store(scenario)
    if old["members"] != new["members"]:
        scenario.members.all().delete()
        _put(scenario, rows)
    _score(row.item_id for row in (*before, *rows))
    audit.record("scenario.update", scenario, by=by, old=old, new=_values(scenario, rows))
    return scenario


@transaction.atomic
def remove(*, pk: int, by: User | None) -> None:
    """Remove a scenario; its members cost what they cost alone. Harmless if it is gone."""
    rights.check(by, "scenario.change")
    scenario = FailureScenario.objects.select_for_update().filter(pk=pk).first()
    if scenario is None:
        return
    rows = list(scenario.members.all())
    _lock(row.item_id for row in rows)
    old = _values(scenario, rows)
    scenario.delete()
    _score(row.item_id for row in rows)
    audit.record("scenario.remove", str(pk), by=by, old=old, kind="failurescenario")


# --- What is right --------------------------------------------------------------------------------


def _checked(
    scenario: FailureScenario, members: Sequence[Mapping[str, Any]], also: Iterable[int] = ()
) -> list[ScenarioMember]:
    """The rows that members will be, their items locked together with `also`. Raises NotValid."""
    problems: dict[str, list[str]] = {}
    try:
        scenario.full_clean()
    except ValidationError as error:
        problems |= error.message_dict
    else:
        if problem := _too_much(scenario):
            problems["loss_high"] = [problem]
    if not members:
        problems["members"] = [_("A scenario needs a member: a debt that helps to bring it about.")]
    elif len(members) > MOST_MEMBERS:
        problems["members"] = [
            _("A scenario has at most %(most_members)s members; these are %(n)s.")
            % {"most_members": MOST_MEMBERS, "n": len(members)}
        ]
        members = members[:MOST_MEMBERS]
    there = _lock([*also, *(member["item_id"] for member in members)])
    first: dict[int, int] = {}
    for number, member in enumerate(members):
        found = member_problems(member)
        key = member["item_id"]
        if key not in there:
            found["debt"] = _("There is no debt item %(key_prefix)s%(key)s.") % {
                "key_prefix": KEY_PREFIX,
                "key": key,
            }
        elif first.setdefault(key, number) != number:
            found["debt"] = _(
                "%(key_prefix)s%(key)s is a member already, in row %(row)s. A debt has one role in "
                "a scenario."
            ) % {"key_prefix": KEY_PREFIX, "key": key, "row": first[key] + 1}
        problems |= {f"members[{number}].{name}": [text] for name, text in found.items()}
    if problems:
        raise not_valid(problems)
    return [
        ScenarioMember(
            item_id=member["item_id"],
            role=member["role"],
            group=member.get("group") or "",
            probability=member.get("probability"),
            effectiveness=float(member.get("effectiveness", 1)),
        )
        for member in members
    ]


def member_problems(member: Mapping[str, Any]) -> dict[str, str]:
    """Field -> what is wrong with it, of one member by itself. The database keeps these rules, too;
    to ask it for each of two hundred members would take long."""
    role, group = member.get("role"), member.get("group") or ""
    chance, effect = member.get("probability"), member.get("effectiveness", 1)
    found = {}
    if role not in MemberRole.values:
        found["role"] = _("This is one of: %(values)s.") % {"values": ", ".join(MemberRole.values)}
        return found
    if role == MemberRole.ALTERNATIVE and not group:
        found["group"] = _("An alternative needs a group: a name that it shares with its likes.")
    elif role != MemberRole.ALTERNATIVE and group:
        found["group"] = _("Only alternatives have a group.")
    elif len(group) > 40:
        found["group"] = _("A group's name has at most 40 characters; this has %(n)s.") % {
            "n": len(group)
        }
    if role == MemberRole.AMPLIFIER and (chance is None or not 0 <= chance <= 1):
        found["probability"] = _("An amplifier needs the chance that it adds, from 0 to 1.")
    elif role != MemberRole.AMPLIFIER and chance is not None:
        found["probability"] = _("Only amplifiers have a chance.")
    if effect is None or not 0 <= effect <= 1:
        found["effectiveness"] = _("What the repair takes away lies between 0 and 1.")
    return found


def _too_much(scenario: FailureScenario) -> str:
    """Why the loss of a year must be a slip of units; nothing where it may be right."""
    points = (scenario.loss_low, scenario.loss_likely, scenario.loss_high)
    highest = max((float(point) for point in points if point is not None), default=0.0)
    a_year = highest * (scenario.trigger_rate or 0.0)
    if a_year <= frames.COST_LIMIT:
        return ""
    return _(
        "This loses %(a_year)s a year, more than %(cost_limit)s. Check the units: events a "
        "year, money an event."
    ) % {"a_year": f"{a_year:.3g}", "cost_limit": plain(frames.COST_LIMIT)}


def not_valid(problems: Mapping[str, Sequence[str]]) -> NotValid:
    """All that is wrong as one error: the first in words, and how many more there are."""
    name, texts = next(iter(problems.items()))
    where = "" if name == "__all__" else f"{name}: "
    more = _(" (%(n)s more)") % {"n": len(problems) - 1} if len(problems) > 1 else ""
    return NotValid(
        f"{where}{texts[0]}{more}",
        hint=_("Correct this and send it again."),
        fields={name: list(texts) for name, texts in problems.items()},
    )


# --- Rows -----------------------------------------------------------------------------------------


def _lock(pks: Iterable[int]) -> set[int]:
    """Lock these items, in one order for everybody; the keys of those that there are."""
    items = DebtItem.objects.select_for_update(no_key=True).filter(pk__in=set(pks)).order_by("pk")
    there = set(items.values_list("pk", flat=True))
    # As long as they are members: once they are not, nobody would be kept out.
    deciding.hold(there)
    return there


def _store(scenario: FailureScenario) -> None:
    try:
        with transaction.atomic():
            scenario.save()
    except IntegrityError as error:
        raise NotValid(
            _("name: there is a scenario '%(name)s' since a moment ago.") % {"name": scenario.name},
            hint=_("Change that one, or choose another name."),
            fields={"name": [_("This belongs to another scenario.")]},
        ) from error


def _put(scenario: FailureScenario, rows: Sequence[ScenarioMember]) -> None:
    for row in rows:
        row.scenario = scenario
    ScenarioMember.objects.bulk_create(rows)


def _score(pks: Iterable[int]) -> None:
    frame = scores.score_items(sorted(set(pks)), cause=Cause.SCENARIO)
    if frame["too_large"].any():
        key = frame.loc[frame["too_large"], "item_id"].iloc[0]
        raise AmountTooLarge(
            _(
                "With this scenario %(key_prefix)s%(key)s would cost more than %(cost_limit)s a "
                "year, or return as many times its repair."
            )
            % {"key_prefix": KEY_PREFIX, "key": key, "cost_limit": plain(frames.COST_LIMIT)},
            hint=_("Check the units: events a year, money an event."),
        )


def _values(scenario: FailureScenario, rows: Sequence[ScenarioMember]) -> dict[str, Any]:
    """A scenario with its members, as the audit keeps them."""
    members = [{name: audit.jsonable(getattr(row, name)) for name in _COLUMNS} for row in rows]
    return {**audit.values_of(scenario), "members": members}
