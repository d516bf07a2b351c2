"""A Prometheus server, or what speaks its HTTP API: queries out, samples in as exact decimals.

Source: Prometheus' documentation of its HTTP API v1. Values come as texts and are read as Decimal;
NaN, infinities and stale markers are no samples: a gap, never 0.
"""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from django.utils.translation import gettext as _

from debtreg.errors import DebtregError

# A server refuses more points in a series: web/api/v1/api.go.
MOST_POINTS = 11_000
MOST_BYTES = 32 << 20
CONNECT_S, READ_S, WHOLE_S = 5, 30, 60


class SiteDown(DebtregError):
    """The server cannot be used at all now: no query would be answered."""

    http_status = 503


class QueryRefused(DebtregError):
    """This query has no usable answer; others may have one."""


class TookTooLong(QueryRefused):
    """The server was silent for too long: this query, or the server, is overloaded."""


@dataclass(frozen=True)
class Series:
    """The samples of one series: seconds since 1970 -> value."""

    labels: Mapping[str, str]
    samples: Mapping[int, Decimal]


class Prometheus:
    """One server, for as long as the `with` lasts.

    auth : (user, password), or a bearer token
    """

    def __init__(
        self,
        url: str,
        auth: tuple[str, str] | str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.client = httpx.Client(
            auth=auth if isinstance(auth, tuple) else None,
            headers={"Authorization": f"Bearer {auth}"} if isinstance(auth, str) else None,
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
            # Another host must not see the login.
            follow_redirects=False,
            # The environment's proxies and .netrc are not asked; its certificates are.
            trust_env=False,
            verify=_certificates(),
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()

    def range(self, query: str, start: int, end: int, step: int) -> list[Series]:
        """The series of a query at start, start + step, ... up to end, included.

        start, end : seconds since 1970; step : seconds; at most MOST_POINTS of them
        Raises SiteDown, QueryRefused.
        """
        fields = {"query": query, "start": str(start), "end": str(end), "step": str(step)}
        return self._series("query_range", fields, "matrix")

    def instant(self, query: str, at: int) -> list[Series]:
        """The series of a query at one moment. Raises SiteDown, QueryRefused."""
        return self._series("query", {"query": query, "time": str(at)}, "vector")

    def _series(self, path: str, fields: Mapping[str, str], kind: str) -> list[Series]:
        data = self._data(path, fields)
        try:
            if data["resultType"] == "scalar":
                problem = "The query yields a scalar, and not a series."
                raise QueryRefused(problem, hint=_("Leave out scalar(), or wrap it in vector()."))
            if data["resultType"] != kind or not isinstance(data["result"], list):
                raise self._odd()
            return [_read(each) for each in data["result"]]
        except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation):
            raise self._odd() from None

    def _data(self, path: str, fields: Mapping[str, str]) -> Any:
        status, body = self._ask("POST", path, fields)
        if status in (405, 501):  # a proxy in front of it that lets nothing but GET through
            status, body = self._ask("GET", path, fields)
        try:
            answer = json.loads(body, parse_float=Decimal)
            outcome = answer["status"]
            if outcome == "success":
                _check_warnings(answer.get("warnings") or [])
                return answer["data"]
            if outcome == "error":
                kind, text = str(answer["errorType"]), str(answer["error"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            outcome = ""
        if outcome != "error":
            raise self._no_answer(status)
        if status in (401, 403):
            raise self._no_login(status)
        if kind == "unavailable" or status == 429:
            raise SiteDown(
                _("%(host)s is not ready: %(text)s") % {"host": self.host, "text": _sentence(text)},
                hint=_LATER,
            )
        raise QueryRefused(
            _("%(host)s refuses the query (%(kind)s, %(status)s): %(text)s")
            % {"host": self.host, "kind": kind, "status": status, "text": _sentence(text)},
            hint=_("Try the query in Prometheus' own page, and correct it here."),
        )

    def _ask(self, method: str, path: str, fields: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of an answer that came in time, is not too long, and is from there."""
        sent: dict[str, Any] = {"data" if method == "POST" else "params": fields}
        try:
            with self.client.stream(method, f"{self.url}/api/v1/{path}", **sent) as response:
                if response.is_redirect:
                    to = urlsplit(response.headers.get("location", ""))
                    raise SiteDown(
                        f"{self.host} redirects to {to.netloc or self.host}{to.path}".rstrip()[:300]
                        + _(", and redirects are not followed: the login would go there."),
                        hint=_("Enter the address to which it leads, if that is the right one."),
                    )
                return response.status_code, self._body(response)
        except httpx.ReadTimeout:
            raise self._too_long() from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, UnicodeError) as error:
            why = re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
            raise SiteDown(
                _("%(host)s does not answer: %(why)s") % {"host": self.host, "why": _sentence(why)},
                hint=_("Check the address, and that this machine may reach it."),
            ) from None

    def _body(self, response: httpx.Response) -> bytes:
        body, deadline = bytearray(), time.monotonic() + WHOLE_S
        for part in response.iter_bytes():
            body += part
            if len(body) > MOST_BYTES:
                raise QueryRefused(
                    _("The answer has more than %(n)s MiB.") % {"n": MOST_BYTES >> 20},
                    hint=_("Let the query yield one series, as with sum()."),
                )
            if time.monotonic() > deadline:
                raise self._too_long()
        return bytes(body)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def _too_long(self) -> TookTooLong:
        return TookTooLong(
            _("%(host)s took too long to answer.") % {"host": self.host},
            hint=_("Simplify the query, or record it by a rule in Prometheus."),
        )

    def _no_login(self, status: int) -> SiteDown:
        return SiteDown(
            _("%(host)s does not let us in (%(status)s).") % {"host": self.host, "status": status},
            hint=_("Enter the user and password, or the token, anew."),
        )

    def _no_answer(self, status: int) -> SiteDown:
        if status in (401, 403):
            return self._no_login(status)
        if status in (404, 405, 501):
            return SiteDown(
                _("%(host)s has no Prometheus API at this address (%(status)s).")
                % {"host": self.host, "status": status},
                hint=_("Enter the address before /api/v1, with the prefix that it may have."),
            )
        if status == 429 or status >= 500:
            return SiteDown(
                _("%(host)s is not ready (%(status)s).") % {"host": self.host, "status": status},
                hint=_LATER,
            )
        return self._odd()

    def _odd(self) -> SiteDown:
        return SiteDown(
            _("%(host)s answers, but not as Prometheus does.") % {"host": self.host},
            hint=_("Check the address: a page for logging in may stand before it."),
        )


_LATER = "It is asked again in a while; nothing is lost meanwhile."


def one(found: Sequence[Series]) -> Mapping[int, Decimal]:
    """The samples of the one series there is; none where there is none. Raises QueryRefused."""
    if len(found) > 1:
        labels = sorted({name for series in found for name in series.labels} - {"__name__"})
        by = f", which differ by {', '.join(labels[:5])}" if labels else ""
        raise QueryRefused(
            _("The query yields %(n)s series%(by)s; it is not said how they make one.")
            % {"n": f"{len(found):,}", "by": by},
            hint=_("Add them up: sum(…)."),
        )
    return found[0].samples if found else {}


def _read(series: Any) -> Series:
    if "histogram" in series or "histograms" in series:
        raise QueryRefused(
            _("The query yields a native histogram, which is no number of events."),
            hint=_("Take histogram_count(…), or histogram_fraction(…) times that."),
        )
    pairs = series["values"] if "values" in series else [series["value"]]
    samples = {}
    for at, text in pairs:
        value = Decimal(text)
        if value.is_finite():
            samples[round(at)] = value
    return Series(dict(series["metric"]), samples)


def _check_warnings(warnings: Sequence[Any]) -> None:
    for text in map(str, warnings):
        if "truncated" in text:
            raise QueryRefused(
                _("The server has left out a part of the answer: %(text)s")
                % {"text": _sentence(text)},
                hint=_("Let the query yield one series, or have the server's limit raised."),
            )


def _sentence(text: str) -> str:
    text = " ".join(text.split())[:300].rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


@cache
def _certificates() -> ssl.SSLContext:
    return ssl.create_default_context()
