"""JSON as it comes from anybody: strict, bounded, and free of text that no database stores."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework import exceptions, parsers

from debtreg.api.errors import TooLarge

# Escapes that may stand for NUL or half of a surrogate pair. Most bodies have neither.
_SUSPICIOUS = re.compile(rb"\\u(0000|[dD][89a-fA-F])")


class JSONParser(parsers.JSONParser):
    """Refuses what Python reads beyond JSON (NaN, Infinity), and more than a body may have."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise TooLarge(
                f"The body is larger than {limit >> 20} MiB.",
                hint="Send fewer items in one call.",
            )
        try:
            data = json.loads(raw.decode("utf-8-sig"), parse_constant=_no_constant)
        except ValueError as error:
            raise exceptions.ParseError(f"This is not JSON: {error}") from None
        if _SUSPICIOUS.search(raw) and (wrong := list(_unstorable(data))):
            problem = "NUL and halves of surrogate pairs cannot be stored."
            raise exceptions.ValidationError({path: [problem] for path in wrong})
        return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number.")


def _unstorable(value: Any, path: str = "") -> Iterator[str]:
    """Paths of texts with NUL or a lone surrogate, which PostgreSQL takes in no column."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= each <= "\udfff" for each in value):
            yield path or "__all__"
    elif isinstance(value, dict):
        for name, inner in value.items():
            if any(_unstorable(name)):
                yield path or "__all__"
            else:
                yield from _unstorable(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _unstorable(inner, f"{path}[{number}]")
