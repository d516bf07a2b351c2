"""Why a file is not taken as a ledger at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debtreg.errors import DebtregError

if TYPE_CHECKING:
    from .plan import SheetInfo


class LedgerRefused(DebtregError):
    """The whole file is refused and nothing of it is stored. `code` is one of REFUSALS.

    `message` says what is wrong, with the numbers; `hint` what to do. `sheets` are there where a
    person may still make a ledger of it, by choosing which of their columns is the title.
    """

    http_status = 422

    def __init__(
        self, code: str, message: str, hint: str, sheets: tuple[SheetInfo, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.sheets = sheets
