"""Failure scenarios as a catalog file says them: read, their debts looked up, stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from debtreg.actions import scenarios
from debtreg.actions.debt import AmountTooLarge, NotValid
from debtreg.models import POINTS, DebtItem, FailureScenario, User
from debtreg.models.debt import KEY_PREFIX

_TEXTS = ("name", "description", "grade", "source")
_ENTRY = {*_TEXTS, "trigger_rate", "loss", "members"}
_MEMBER = {"debt", "role", "group", "probability", "effectiveness"}
# So many problems are told; who has more of them has one problem.
_MOST_TOLD = 40

Problems = dict[str, str]


@transaction.atomic
def store(*, entries: Sequence[Mapping[str, Any]], by: User | None) -> tuple[int, bool]:
    """Create or update scenarios by name; what an entry leaves out of a known one stays as it is.

    entries : {name, description, trigger_rate, loss: amount or {low, likely, high}, grade, source,
        members: [{debt: key, external_ref or ledger id, role, group, probability, effectiveness}]}
    Returns how many are new, and whether anything was changed. Raises NotValid with every problem
    of every entry by its place.
    """
    debts = DebtItem.objects.called(_references(entries))
    known = {each.name: each for each in FailureScenario.objects.all()}
    problems: Problems = {}
    names: set[str] = set()
    new, changed = 0, False
    for number, entry in enumerate(entries):
        name = str(entry.get("name") or "").strip()
        where = f"scenarios: {name[:120] or f'entry {number + 1}'}"
        found: Problems = {}
        fields = _fields(entry, found)
        members = _members(entry["members"], debts, found) if "members" in entry else None
        if name in names:
            found["name"] = _("This comes twice in the file.")
        names.add(name)
        if not found:
            try:
                if (before := known.get(name)) is None:
                    scenarios.create(fields=fields, members=members or [], by=by)
                    new += 1
                    changed = True
                else:
                    after = scenarios.update(pk=before.pk, fields=fields, members=members, by=by)
                    changed |= after.revision != before.revision
            except (NotValid, AmountTooLarge) as error:
                found = {
                    field.replace("loss_", "loss."): texts[0]
                    for field, texts in error.fields.items()
                }
                found = found or {"__all__": f"{error.message} {error.hint}"}
        for field, text in found.items():
            problems[f"{where}: {field}" if field != "__all__" else where] = text
    if problems:
        raise _refusal(problems)
    return new, changed


def _refusal(problems: Problems) -> NotValid:
    told = [f"{where}: {text}" for where, text in list(problems.items())[:_MOST_TOLD]]
    if len(problems) > _MOST_TOLD:
        told.append(_("And %(n)s more.") % {"n": len(problems) - _MOST_TOLD})
    return NotValid(
        "\n".join(told),
        hint=_("Correct the file and import it again."),
        fields={where: [text] for where, text in problems.items()},
    )


# --- Reading --------------------------------------------------------------------------------------


def _fields(entry: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """Columns of FailureScenario, as far as the entry speaks of them."""
    _refuse_unknown(entry, _ENTRY, "", problems)
    found: dict[str, Any] = {}
    for name in _TEXTS:
        if entry.get(name) is not None:
            found[name] = _text(entry, name, "", problems)
    if not found.setdefault("name", ""):
        problems.setdefault("name", _("This is missing."))
    if "trigger_rate" in entry:
        rate = _number(entry, "trigger_rate", "", problems)
        found["trigger_rate"] = None if rate is None else float(rate)
    if "loss" in entry:
        loss = entry["loss"]
        if isinstance(loss, Mapping):
            _refuse_unknown(loss, set(POINTS), "loss.", problems)
            points = {point: _number(loss, point, "loss.", problems) for point in POINTS}
        else:
            points = dict.fromkeys(POINTS, _number(entry, "loss", "", problems))
        found |= {f"loss_{point}": value for point, value in points.items()}
    return found


def _members(
    entries: Any, debts: Mapping[str, Sequence[int]], problems: Problems
) -> list[dict[str, Any]]:
    if not isinstance(entries, list) or not all(isinstance(each, Mapping) for each in entries):
        problems["members"] = _("This is not a list of mappings.")
        return []
    return [
        _member(entry, debts, f"members[{number}].", problems)
        for number, entry in enumerate(entries)
    ]


def _member(
    entry: Mapping[str, Any], debts: Mapping[str, Sequence[int]], path: str, problems: Problems
) -> dict[str, Any]:
    _refuse_unknown(entry, _MEMBER, path, problems)
    chance = _number(entry, "probability", path, problems)
    effect = _number(entry, "effectiveness", path, problems)
    name = _reference(entry.get("debt"))
    pks = debts.get(name, ())
    if not name:
        problems[f"{path}debt"] = _("This is missing.")
    elif not pks:
        problems[f"{path}debt"] = _(
            "There is no debt '%(name)s'. Name it by its key, its external_ref or its ledger's id."
        ) % {"name": name}
    elif len(pks) > 1:
        keys = " and ".join(f"{KEY_PREFIX}{pk}" for pk in sorted(pks))
        problems[f"{path}debt"] = _(
            "'%(name)s' may be %(keys)s. Name it by what only it is called."
        ) % {"name": name, "keys": keys}
    return {
        "item_id": pks[0] if pks else 0,
        "role": _text(entry, "role", path, problems),
        "group": _text(entry, "group", path, problems),
        "probability": None if chance is None else float(chance),
        "effectiveness": 1.0 if effect is None else float(effect),
    }


def _refuse_unknown(
    entry: Mapping[str, Any], known: set[str], path: str, problems: Problems
) -> None:
    for name in entry.keys() - known:
        problems[f"{path}{str(name)[:80]}"] = _(
            "There is no field of this name. These are: %(known)s."
        ) % {"known": ", ".join(sorted(known))}


def _text(entry: Mapping[str, Any], name: str, path: str, problems: Problems) -> str:
    value = entry.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        problems[f"{path}{name}"] = _("This is not a text.")
        return ""
    return str(value).strip()


def _number(entry: Mapping[str, Any], name: str, path: str, problems: Problems) -> Decimal | None:
    value = entry.get(name)
    if value is None:
        return None
    try:
        # Through its text: 0.1 in a file is a tenth, not the float beside it.
        number = Decimal("NaN" if isinstance(value, bool) else str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        problems[f"{path}{name}"] = _("'%(value)s' is not a number.") % {"value": str(value)[:40]}
        return None
    return number


def _references(entries: Iterable[Mapping[str, Any]]) -> set[str]:
    """What the members of all entries call their debts."""
    members = (each.get("members") for each in entries)
    return {
        _reference(member.get("debt"))
        for several in members
        if isinstance(several, list)
        for member in several
        if isinstance(member, Mapping)
    }


def _reference(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int) else ""
