"""Who may do what. Everybody who is logged in may read everything."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from debtreg.errors import NotAllowed
from debtreg.models import DebtItem, Iteration, Role, Team, User

# Verb -> the roles that may; administrators may always.
ROLES: dict[str, tuple[str, ...]] = {
    "debt.change": (Role.MEMBER, Role.PRODUCT_OWNER, Role.SRE),
    "debt.decide": (Role.PRODUCT_OWNER,),
    "outcome.measure": (Role.MEMBER, Role.PRODUCT_OWNER, Role.SRE),
    "iteration.change": (Role.PRODUCT_OWNER,),
    "catalog.change": (Role.SRE,),
    "contract.confirm": (Role.SRE, Role.COMPLIANCE),
    "scenario.change": (Role.SRE,),
    "slo.change": (Role.SRE,),
    "connection.change": (Role.SRE,),
    "readings.store": (Role.SRE,),
    "ledger.import": (Role.MEMBER, Role.PRODUCT_OWNER, Role.SRE),
    "run.start": (Role.PRODUCT_OWNER, Role.SRE),
    "policy.change": (),
    "policy.what_if": (Role.PRODUCT_OWNER, Role.SRE),
    "user.change": (),
    "audit.read": (Role.COMPLIANCE,),
    "everything": (),
}
# These are kept to a person's own teams; an SRE looks after the services of all of them.
OWN_TEAM = {"debt.change", "debt.decide", "outcome.measure", "iteration.change"}
WHAT = {
    "debt.change": gettext_lazy("change debts"),
    "debt.decide": gettext_lazy("decide on debts"),
    "outcome.measure": gettext_lazy("enter what a repair has brought"),
    "iteration.change": gettext_lazy("change iterations"),
    "catalog.change": gettext_lazy("change the catalog, contracts and prices"),
    "contract.confirm": gettext_lazy(
        "confirm terms of contracts, or record what was measured of them"
    ),
    "scenario.change": gettext_lazy("change failure scenarios"),
    "slo.change": gettext_lazy("change SLOs and maintenance windows"),
    "connection.change": gettext_lazy("change where readings are fetched from"),
    "readings.store": gettext_lazy("store readings of SLIs"),
    "ledger.import": gettext_lazy("import ledgers"),
    "run.start": gettext_lazy("start or cancel scoring runs"),
    "policy.change": gettext_lazy("change the scoring policy"),
    "policy.what_if": gettext_lazy("ask what a policy would move"),
    "user.change": gettext_lazy("change users"),
    "audit.read": gettext_lazy("read the audit"),
    "everything": gettext_lazy("do this"),
}


def may(user: User | None, verb: str, obj: DebtItem | Iteration | Team | None = None) -> bool:
    """True if the user may; None is a job or a command, which may everything.

    `obj` says which team is concerned; without it, or for an item without a team, the role decides.
    """
    if user is None:
        return True
    if not user.is_active or not user.is_one_of(*ROLES[verb]):
        return False
    team = obj if isinstance(obj, Team | None) else obj.team
    if verb not in OWN_TEAM or team is None or user.is_one_of(Role.SRE):
        return True
    return team.pk in _teams_of(user)


def _teams_of(user: User) -> set[int]:
    """Read once per request: lists ask for every row."""
    if not hasattr(user, "_team_ids"):
        user._team_ids = set(user.teams.values_list("pk", flat=True))  # type: ignore[attr-defined]
    teams: set[int] = user._team_ids  # type: ignore[attr-defined]
    return teams


def check(user: User | None, verb: str, obj: DebtItem | Iteration | Team | None = None) -> None:
    """Raises NotAllowed, saying who may."""
    if may(user, verb, obj):
        return
    roles = _(" or ").join(str(Role(role).label) for role in (*ROLES[verb], Role.ADMIN))
    of_team = _(" of the team it belongs to") if verb in OWN_TEAM else ""
    raise NotAllowed(
        _("You may not %(what)s here.") % {"what": WHAT[verb]},
        hint=_("This is for: %(roles)s%(of_team)s. Ask one of them.")
        % {"roles": roles, "of_team": of_team},
    )
