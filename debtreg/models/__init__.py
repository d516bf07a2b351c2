"""What is true: fields, constraints, querysets. A file per noun."""

from .audit import AuditEntry, Channel, IdempotencyKey
from .backlog import ACTIVE_STATES, BacklogEntry, EntryState, Iteration, IterationState
from .contract import Contract, Guarantee, Operator
from .debt import (
    FACTORS,
    IMPACT_POINTS,
    Confidence,
    DebtImpact,
    DebtItem,
    DebtStatus,
    EffortUnit,
    Prerequisite,
    pk_of,
)
from .estimate import POINTS, points
from .imports import (
    ImportStep,
    LedgerFinding,
    LedgerImport,
    LedgerRow,
    LedgerSource,
    RowState,
    UploadChunk,
)
from .job import Job, JobState
from .policy import PolicyActivation, ScoringPolicy
from .price import AMOUNT_LIMIT, DAY_RATE, PRICE_KINDS, PRICE_UNITS, Grade, ImpactKind, Price
from .scenario import MOST_MEMBERS, FailureScenario, MemberRole, ScenarioMember
from .score import (
    NEEDS_ESTIMATE_SORT,
    UNPRICED_SORT,
    Cause,
    Priority,
    PriorityReason,
    RankMark,
    Score,
    ScoreChange,
    ScoreState,
    ScoringRun,
)
from .service import Criticality, Dependency, Service, Team
from .user import ApiToken, Role, User
from .what_if import Mover, WhatIf

__all__ = [
    "ACTIVE_STATES",
    "AMOUNT_LIMIT",
    "DAY_RATE",
    "FACTORS",
    "IMPACT_POINTS",
    "MOST_MEMBERS",
    "NEEDS_ESTIMATE_SORT",
    "POINTS",
    "PRICE_KINDS",
    "PRICE_UNITS",
    "UNPRICED_SORT",
    "ApiToken",
    "AuditEntry",
    "BacklogEntry",
    "Cause",
    "Channel",
    "Confidence",
    "Contract",
    "Criticality",
    "DebtImpact",
    "DebtItem",
    "DebtStatus",
    "Dependency",
    "EffortUnit",
    "EntryState",
    "FailureScenario",
    "Grade",
    "Guarantee",
    "IdempotencyKey",
    "ImpactKind",
    "ImportStep",
    "Iteration",
    "IterationState",
    "Job",
    "JobState",
    "LedgerFinding",
    "LedgerImport",
    "LedgerRow",
    "LedgerSource",
    "MemberRole",
    "Mover",
    "Operator",
    "PolicyActivation",
    "Prerequisite",
    "Price",
    "Priority",
    "PriorityReason",
    "RankMark",
    "Role",
    "RowState",
    "ScenarioMember",
    "Score",
    "ScoreChange",
    "ScoreState",
    "ScoringPolicy",
    "ScoringRun",
    "Service",
    "Team",
    "UploadChunk",
    "User",
    "WhatIf",
    "pk_of",
    "points",
]
