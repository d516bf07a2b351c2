"""Which version of the scoring policy counts, what it says, and how two of them differ.

A row is used only if its signature fits and it keeps to the schema. Where the one that was
activated last does not, the last good one before it stays in force.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import scoring
from debtreg import memo
from debtreg.errors import Conflict, DebtregError
from debtreg.models import PolicyActivation, ScoringPolicy

log = structlog.get_logger(__name__)

SIGN_ANEW = gettext_lazy(
    "If SECRET_KEY was changed, name the old one in SECRET_KEY_FALLBACKS, or look at "
    "what the versions say and sign them anew: `manage.py sign_policies`."
)


class PolicyRefused(Conflict):
    """A version that may not be used."""

    def __init__(self, row: ScoringPolicy, why: str) -> None:
        super().__init__(
            _("Version %(version)s of the scoring policy is refused: %(why)s")
            % {"version": row.version, "why": why},
            hint=_(
                "Find out who changed it in the database, and create what it should say as a new "
                "version. %(sign_anew)s"
            )
            % {"sign_anew": SIGN_ANEW},
        )
        self.version = row.version


class NoPolicy(Conflict):
    """No version that was ever in force may be used."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "No version of the scoring policy that was in force has a valid signature "
                "and keeps to the schema, so nothing can be scored."
            ),
            hint=_("%(sign_anew)s An administrator can also create a version and activate it.")
            % {"sign_anew": SIGN_ANEW},
        )


# --- What a policy may say ------------------------------------------------------------------------

SCHEMA = scoring.POLICY_SCHEMA
DEFAULTS = scoring.DEFAULT_PAYLOAD


@dataclass(frozen=True)
class Field:
    """One number of a policy: its path in the payload, what it means, its bounds."""

    path: str
    meaning: str
    low: float
    high: float


def _fields(schema: Mapping[str, Any], prefix: str = "") -> Iterator[Field]:
    for name, part in schema["properties"].items():
        if part["type"] == "object":
            yield from _fields(part, f"{prefix}{name}.")
        else:
            yield Field(prefix + name, part["description"], part["minimum"], part["maximum"])


FIELDS = tuple(_fields(SCHEMA))


def problems(payload: Any) -> dict[str, list[str]]:
    """What keeps a payload from being a policy: path of a field -> sentences."""
    found: dict[str, list[str]] = {}
    for problem in scoring.payload_problems(payload):
        found.setdefault(problem.column, []).append(str(problem))
    return found


def flat(payload: Any, prefix: str = "") -> dict[str, Any]:
    """Path -> value, of any JSON: what was tampered with has no shape to rely on."""
    if not isinstance(payload, dict):
        return {prefix.removesuffix(".") or "policy": payload}
    return {
        path: value
        for name, part in payload.items()
        for path, value in flat(part, f"{prefix}{name}.").items()
    }


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The payload of which `flat` gives these values."""
    payload: dict[str, Any] = {}
    for path, value in values.items():
        *groups, name = path.split(".")
        part = payload
        for group in groups:
            part = part.setdefault(group, {})
        part[name] = value
    return payload


@dataclass(frozen=True)
class Difference:
    """A field that two versions do not agree on. None: it is missing in that one."""

    field: str
    meaning: str
    old: Any
    new: Any


def differences(old: Any, new: Any) -> list[Difference]:
    """Of two payloads, in the order of the schema; what it does not know comes last."""
    before, after = flat(old), flat(new)
    meanings = {field.path: field.meaning for field in FIELDS}
    paths = [*meanings, *sorted((before.keys() | after.keys()) - meanings.keys())]
    return [
        Difference(path, meanings.get(path, ""), before.get(path), after.get(path))
        for path in paths
        if before.get(path) != after.get(path)
    ]


# --- Which one counts -----------------------------------------------------------------------------


def read(row: ScoringPolicy) -> scoring.Policy:
    """What a version says. Raises PolicyRefused."""
    if not row.is_genuine():
        raise PolicyRefused(row, _("its signature does not fit what it says."))
    try:
        return scoring.Policy.from_payload(row.payload, version=row.version)
    except scoring.ScoringError as error:
        raise PolicyRefused(row, _("it breaks the schema. %(error)s") % {"error": error}) from error


def problem_of(row: ScoringPolicy) -> PolicyRefused | None:
    """Why a version may not be used; None if it may."""
    try:
        read(row)
    except PolicyRefused as error:
        return error
    return None


@dataclass(frozen=True)
class Standing:
    """The version that counts, and what is wrong with the one that was activated last.

    row, policy : None where no version is good; `problem` is then a NoPolicy
    """

    row: ScoringPolicy | None
    policy: scoring.Policy | None
    problem: DebtregError | None = None

    @property
    def version(self) -> int | None:
        return self.policy.version if self.policy else None

    @property
    def threshold(self) -> float | None:
        return self.policy.threshold if self.policy else None


def standing() -> Standing:
    """How it stands with the policy, for those who only look: nothing is raised."""
    kept = memo.kept("standing")
    if "now" not in kept:
        kept["now"] = _standing()
    found: Standing = kept["now"]
    return found


def thresholds() -> tuple[float, ...]:
    """What an ROI is compared with: no number that is shown may look like one and not be it."""
    policy = standing().policy
    return (policy.threshold, policy.demote_below) if policy else ()


def _standing() -> Standing:
    refused: PolicyRefused | None = None
    for activation in lineage():
        try:
            policy = read(activation.policy)
        except PolicyRefused as error:
            refused = refused or error
            continue
        if refused:
            # In English, whoever's request it was that came upon it.
            said = f"Version {refused.version} of the scoring policy is refused."
            log.error("policy_refused", problem=said, in_force=policy.version)
        return Standing(activation.policy, policy, refused)
    problem = NoPolicy()
    log.error("policy_missing", refused=refused.version if refused else None)
    return Standing(None, None, problem)


def in_force() -> scoring.Policy:
    """The policy that scores now. Raises NoPolicy."""
    found = standing()
    if found.policy is None:
        raise found.problem or NoPolicy()
    return found.policy


def lineage() -> Iterator[PolicyActivation]:
    """The latest activation and those that rollbacks go back to, one after the other."""
    activations = PolicyActivation.objects.select_related("policy")
    found = activations.order_by("-pk").first()
    if found is None:
        return
    yield found
    before = activations.in_bulk()
    # What is taken out is met once: a circle that somebody has made in the database ends.
    while (found := before.pop(found.previous_id or 0, None)) is not None:
        yield found


def counterpart(row: ScoringPolicy, now: Standing) -> ScoringPolicy:
    """What a version is compared with unless somebody says with what.

    That is the one in force; where there is none, or this is it, the version before this one.
    """
    if now.row and now.row != row:
        return now.row
    return ScoringPolicy.objects.filter(version__lt=row.version).first() or row
