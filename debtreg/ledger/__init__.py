"""What spreadsheets say: a file -> rows, and what a person should know about them.

Knows no model and stores nothing. `inspect` tells what a file holds, `read` what it says.
"""

from .catalog import Catalog
from .cells import COLUMN_LIMIT, ROW_LIMIT
from .errors import LedgerRefused
from .headers import FIELDS
from .ledger import Ledger, inspect, read
from .plan import ColumnInfo, SheetInfo, Workbook
from .words import REFUSALS, SKIP_REASONS, WARNINGS

__all__ = [
    "COLUMN_LIMIT",
    "FIELDS",
    "REFUSALS",
    "ROW_LIMIT",
    "SKIP_REASONS",
    "WARNINGS",
    "Catalog",
    "ColumnInfo",
    "Ledger",
    "LedgerRefused",
    "SheetInfo",
    "Workbook",
    "inspect",
    "read",
]
