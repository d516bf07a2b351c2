"""The errors that people and machines get to see. Each one lives beside what raises it."""

import re
from collections.abc import Mapping, Sequence


class DebtregError(Exception):
    """Something was asked for that cannot be done; `message` says what, `hint` what to do next.

    `code` is for machines, by default the class name in snake_case. `fields` maps an input's name
    to what is wrong with it. Pages and the API answer with `http_status`.
    """

    http_status = 400

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        fields: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()
        self.fields = {name: list(problems) for name, problems in (fields or {}).items()}


class NotAllowed(DebtregError):
    http_status = 403


class NotFound(DebtregError):
    http_status = 404


class Conflict(DebtregError):
    http_status = 409
