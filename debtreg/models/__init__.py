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
from .policy import ScoringPolicy
from .price import DAY_RATE, PRICE_KINDS, PRICE_UNITS, Grade, ImpactKind, Price
from .score import (
    NEEDS_ESTIMATE_SORT,
    UNPRICED_SORT,
    Cause,
    Priority,
    RankMark,
    Score,
    ScoreChange,
    ScoreState,
    ScoringRun,
)
from .service import Criticality, Dependency, Service, Team
from .user import ApiToken, Role, User

__all__ = [
    "ACTIVE_STATES",
    "ApiToken",
    "AuditEntry",
    "BacklogEntry",
    "Cause",
    "Channel",
    "Confidence",
    "Contract",
    "Criticality",
    "DAY_RATE",
    "DebtImpact",
    "DebtItem",
    "DebtStatus",
    "Dependency",
    "EffortUnit",
    "EntryState",
    "FACTORS",
    "Grade",
    "Guarantee",
    "IMPACT_POINTS",
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
    "NEEDS_ESTIMATE_SORT",
    "Operator",
    "POINTS",
    "PRICE_KINDS",
    "PRICE_UNITS",
    "Prerequisite",
    "Price",
    "Priority",
    "RankMark",
    "Role",
    "RowState",
    "Score",
    "ScoreChange",
    "ScoreState",
    "ScoringPolicy",
    "ScoringRun",
    "Service",
    "Team",
    "UNPRICED_SORT",
    "UploadChunk",
    "User",
    "pk_of",
    "points",
]
