"""Why a file is not taken as a ledger at all."""

from debtreg.errors import DebtregError


class LedgerRefused(DebtregError):
    """The whole file is refused and nothing of it is stored. `code` is one of REFUSALS.

    `message` says what is wrong, with the numbers; `hint` what to do.
    """

    http_status = 422

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message, hint=hint, code=code)
