"""Which version of the scoring policy counts, what it says, and how two of them differ.

A row is used only if its signature fits and it keeps to the schema. Where the one that was
activated last does not, the last good one before it stays in force.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import structlog

import scoring
from debtreg.errors import Conflict, DebtregError
from debtreg.models import PolicyActivation, ScoringPolicy

log = structlog.get_logger(__name__)

SIGN_ANEW = (
    "If SECRET_KEY was changed, name the old one in SECRET_KEY_FALLBACKS, or look at what the"
    " versions say and sign them anew: `manage.py sign_policies`."
)


class PolicyRefused(Conflict):
    """A version that may not be used."""

    def __init__(self, row: ScoringPolicy, why: str) -> None:
        super().__init__(
            f"Version {row.version} of the scoring policy is refused: {why}",
            hint="Find out who changed it in the database, and create what it should say as a"
            f" new version. {SIGN_ANEW}",
        )
        self.version = row.version


class NoPolicy(DebtregError):
    """No version that was ever in force may be used."""

    http_status = 503

    def __init__(self) -> None:
        super().__init__(
            "No version of the scoring policy that was in force has a valid signature and keeps"
            " to the schema, so nothing can be scored.",
            hint=f"{SIGN_ANEW} An administrator can also create a version and activate it.",
        )


def read(row: ScoringPolicy) -> scoring.Policy:
    """What a version says. Raises PolicyRefused."""
    if not row.is_genuine():
        raise PolicyRefused(row, "its signature does not fit what it says.")
    try:
        return scoring.Policy.from_payload(row.payload, version=row.version)
    except scoring.ScoringError as error:
        raise PolicyRefused(row, f"it breaks the schema. {error}") from error


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
    refused: PolicyRefused | None = None
    for activation in lineage():
        try:
            policy = read(activation.policy)
        except PolicyRefused as error:
            refused = refused or error
            continue
        if refused:
            log.error("policy_refused", problem=refused.message, in_force=policy.version)
        return Standing(activation.policy, policy, refused)
    problem = NoPolicy()
    log.error("policy_missing", problem=refused.message if refused else problem.message)
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
