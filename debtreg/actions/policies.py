"""The scoring policy: new versions, which of them is in force, the way back, signatures."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from debtreg import versions
from debtreg.actions import audit, rights, scores
from debtreg.actions.debt import NotValid
from debtreg.errors import Conflict, NotFound
from debtreg.models import PolicyActivation, ScoringPolicy, User
from debtreg.models.policy import canonical, signature_of

NOTE_LENGTH = 300


def get(version: int) -> ScoringPolicy:
    """Raises NotFound."""
    row = ScoringPolicy.objects.select_related("created_by").filter(pk=version).first()
    if row is None:
        raise NotFound(
            _("There is no version %(version)s of the scoring policy.") % {"version": version},
            hint=_("Look at the list of versions."),
        )
    return row


@transaction.atomic
def create(*, payload: Any, note: str = "", by: User | None) -> ScoringPolicy:
    """Store a new version, signed and not in force. Raises NotValid, naming each wrong field."""
    rights.check(by, "policy.change")
    problems = {
        "payload" if path == "policy" else f"payload.{path}": found
        for path, found in versions.problems(payload).items()
    }
    if len(note) > NOTE_LENGTH:
        problems["note"] = [_("At most %(note_length)s characters.") % {"note_length": NOTE_LENGTH}]
    if problems:
        name, found = next(iter(problems.items()))
        raise NotValid(
            found[0] if name.startswith("payload") else f"{name}: {found[0]}",
            hint=_("Correct what is named; nothing was stored."),
            fields=problems,
        )
    _wait_for_others()
    last = ScoringPolicy.objects.aggregate(last=Max("version"))["last"] or 0
    row = ScoringPolicy(
        version=last + 1, payload=canonical(payload), note=note.strip(), created_by=by
    )
    row.save()
    audit.record("policy.create", row, by=by, new={"payload": row.payload, "note": row.note})
    return row


@transaction.atomic
def activate(*, version: int, by: User | None) -> PolicyActivation:
    """Put a version into force, and have the portfolio scored with it. A repeat changes nothing.

    Runs that are under way finish with the version they have begun with. Raises PolicyRefused.
    """
    rights.check(by, "policy.change")
    row = get(version)
    versions.read(row)
    _wait_for_others()
    last = next(versions.lineage(), None)
    if last and last.policy == row:
        return last
    return _put_in_force(row, "policy.activate", by, last, previous=last)


@transaction.atomic
def rollback(*, by: User | None, leaving: int | None = None) -> PolicyActivation:
    """Go back to the version that was in force before the present one.

    Once more goes back further, and never to what was rolled back. Versions that are refused are
    passed over. With `leaving`, another version than this is not left: a second click is harmless.
    """
    rights.check(by, "policy.change")
    _wait_for_others()
    last, target = way_back()
    if last and leaving not in (None, last.policy_id):
        raise Conflict(
            _(
                "Since you looked, %(policy)s of the scoring policy was activated, and not "
                "%(leaving)s any more."
            )
            % {"policy": last.policy, "leaving": leaving},
            hint=_("Look again before you roll back."),
        )
    if target is None:
        raise Conflict(
            _("Before %(policy)s of the scoring policy no other one was in force that is good.")
            % {"policy": last.policy}
            if last
            else _("No version of the scoring policy was ever in force."),
            hint=_("Choose a version of the list and activate it."),
        )
    return _put_in_force(
        target.policy, "policy.rollback", by, last, previous_id=target.previous_id, is_rollback=True
    )


def way_back() -> tuple[PolicyActivation | None, PolicyActivation | None]:
    """The activation that a rollback ends, and the one it goes back to; None: there is none."""
    past = list(versions.lineage())
    for target in past[1:]:
        if target.policy != past[0].policy and not versions.problem_of(target.policy):
            return past[0], target
    return (past[0] if past else None), None


def _put_in_force(
    row: ScoringPolicy,
    action: str,
    by: User | None,
    last: PolicyActivation | None,
    **columns: Any,
) -> PolicyActivation:
    activation = PolicyActivation.objects.create(policy=row, by=by, **columns)
    old = {"version": last.policy_id if last else None}
    audit.record(action, row, by=by, old=old, new={"version": row.version})
    scores.queue_run(by=by)
    return activation


def _wait_for_others() -> None:
    """One change of the policy at a time: each sees what the one before has left.

    The lock stands in nobody's way who refers to the row, as runs do.
    """
    ScoringPolicy.objects.select_for_update(no_key=True).order_by("version").first()


# --- Signatures -----------------------------------------------------------------------------------


@transaction.atomic
def sign(*, version: int, by: User | None) -> ScoringPolicy:
    """Sign a version as it stands in the database, whoever wrote it there. Raises PolicyRefused.

    Where it comes into force by that, the portfolio is scored with it.
    """
    rights.check(by, "policy.change")
    _wait_for_others()
    row, before = get(version), versions.standing().version
    row.signature = signature_of(row.version, row.payload)
    versions.read(row)
    ScoringPolicy.objects.filter(pk=version).update(signature=row.signature)
    audit.record("policy.sign", row, by=by)
    if versions.standing().version != before:
        scores.queue_run(by=by)
    return row


@transaction.atomic
def renew_signatures(*, by: User | None) -> list[ScoringPolicy]:
    """Sign with SECRET_KEY what SECRET_KEY_FALLBACKS have signed; returns these versions."""
    rights.check(by, "policy.change")
    _wait_for_others()
    return [
        sign(version=row.version, by=by)
        for row in ScoringPolicy.objects.order_by("version")
        if row.signature != signature_of(row.version, row.payload) and not versions.problem_of(row)
    ]
