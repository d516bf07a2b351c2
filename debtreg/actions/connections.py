"""Sites that readings are fetched from, and what they let us in with."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from debtreg import secrets
from debtreg.actions import audit, rights
from debtreg.actions.debt import NotValid, not_valid
from debtreg.errors import DebtregError, NotFound
from debtreg.models import AuthKind, Connection, User
from debtreg.prometheus import Prometheus, SiteDown, one

LONGEST_SECRET = 4_000
# What every Prometheus can answer: how many targets it knows.
_TARGETS = "count(up)"


@transaction.atomic
def save(*, connection: Connection, secret: str | None = None, by: User | None) -> Connection:
    """Create or change a connection.

    secret : password or token; None keeps the one that is there, which is never shown again

    Raises NotValid; also where the secret would go to another host than it was entered for.
    """
    rights.check(by, "connection.change")
    before = None
    if connection.pk is not None:
        before = Connection.objects.select_for_update().filter(pk=connection.pk).first()
        if before is None:
            raise _gone()
    _prepare(connection, before, secret)
    old, new = _shown(before) if before else None, _shown(connection)
    if old != new or secret is not None:
        # What was wrong may be mended now.
        connection.failures, connection.retry_at, connection.last_error = 0, None, ""
        connection.save()
        verb = "update" if before else "create"
        audit.record(
            f"connection.{verb}",
            connection.name,
            by=by,
            old=old,
            new={**new, "secret": "changed"} if secret is not None else new,
            kind="connection",
        )
    return connection


def probe(*, connection: Connection, secret: str | None = None, by: User | None) -> str:
    """Ask a site once, storing nothing, and say in a sentence what came back.

    connection, secret : as for `save`, whether it is stored or not. Raises NotValid, and SiteDown
    or QueryRefused with what is wrong.
    """
    rights.check(by, "connection.change")
    before = Connection.objects.filter(pk=connection.pk).first() if connection.pk else None
    _prepare(connection, before, secret)
    with Prometheus(connection.url, login_of(connection)) as server:
        now = int(timezone.now().timestamp())
        found = one(server.instant(_TARGETS, now))
    targets = int(next(iter(found.values()), 0))
    if not targets:
        return _("%(host)s answers, and knows no targets of its own by the name of `up`.") % {
            "host": server.host
        }
    return ngettext(
        "%(host)s answers: it knows %(targets)s target.",
        "%(host)s answers: it knows %(targets)s targets.",
        targets,
    ) % {
        "host": server.host,
        "targets": f"{targets:,}",
    }


def login_of(connection: Connection) -> tuple[str, str] | str | None:
    """What a site lets us in with, as Prometheus takes it.

    Raises SecretLost, and SiteDown where nothing may be fetched from its host by now.
    """
    if refusal := _refused(urlsplit(connection.url).hostname or ""):
        raise SiteDown(refusal, hint=_("Enter the address by which others reach it."))
    secret = secrets.unseal(connection.sealed_secret)
    if connection.auth == AuthKind.BASIC:
        return connection.username, secret
    return secret if connection.auth == AuthKind.BEARER else None


@transaction.atomic
def pause(*, connection: Connection, paused: bool, by: User | None) -> Connection:
    """Have nothing fetched from a site, or again."""
    rights.check(by, "connection.change")
    row = Connection.objects.select_for_update().filter(pk=connection.pk).first()
    if row is None:
        raise _gone()
    row.is_paused = paused
    return save(connection=row, by=by)


@transaction.atomic
def remove(*, connection: Connection, by: User | None) -> None:
    """Remove a connection and its secret; its SLOs keep their queries and readings."""
    rights.check(by, "connection.change")
    found = Connection.objects.select_for_update().filter(pk=connection.pk).first()
    if found is None:
        return
    old, name = _shown(found), found.name
    found.delete()
    audit.record("connection.remove", name, by=by, old=old, kind="connection")


def _prepare(connection: Connection, before: Connection | None, secret: str | None) -> None:
    """Complete and check what was entered. Raises NotValid."""
    connection.url = _address(connection.url)
    connection.sealed_secret = _sealed(connection, before, secret)
    if connection.auth != AuthKind.BASIC:
        connection.username = ""
    elif not connection.username:
        problem = _("Enter the user that the password belongs to.")
        raise NotValid(problem, hint=problem, fields={"username": [problem]})
    try:
        connection.full_clean()
    except ValidationError as error:
        raise not_valid(error) from error


def _gone() -> DebtregError:
    return NotFound(_("This connection is gone."), hint=_("Look at the list of connections."))


def _shown(connection: Connection) -> dict[str, Any]:
    """What an audit may say of it."""
    hidden = {"sealed_secret", "last_ok_at", "last_error", "last_error_at", "failures", "retry_at"}
    values = audit.values_of(connection)
    return {name: value for name, value in values.items() if name not in hidden}


def _sealed(connection: Connection, before: Connection | None, secret: str | None) -> str:
    if connection.auth == AuthKind.NONE:
        return ""
    if secret is None and before and before.sealed_secret:
        if _origin(before.url) == _origin(connection.url):
            return before.sealed_secret
        problem = _("The address names another host: enter the secret for it again.")
    elif not secret:
        problem = _("Enter the password or the token.")
    elif len(secret) > LONGEST_SECRET or not secret.isprintable() or not secret.isascii():
        problem = _("Up to %(longest_secret)s ASCII characters, without line breaks.") % {
            "longest_secret": f"{LONGEST_SECRET:,}"
        }
    else:
        return secrets.seal(secret)
    raise NotValid(problem, hint=_("It is stored encrypted."), fields={"secret": [problem]})


def _address(url: str) -> str:
    """The address as it is called; raises NotValid unless it is https, or of this machine."""
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
        parts.port  # noqa: B018 - reading it says whether it is a number
    except ValueError:
        parts, host = urlsplit(""), ""
    problem = ""
    if not host or parts.scheme not in ("https", "http"):
        problem = _("An address such as https://prometheus.example.org.")
    elif parts.username or parts.password:
        problem = _("User and password have fields of their own; leave them out of the address.")
    elif parts.query or parts.fragment:
        problem = _("The address ends before ? and #.")
    elif refusal := _refused(host):
        problem = refusal
    elif parts.scheme == "http" and not _is_loopback(host):
        problem = _(
            "It begins with https://. Plain http is for this machine alone (localhost): on a "
            "network anybody could read the secret and change the numbers."
        )
    if problem:
        raise NotValid(problem, hint=_("Correct the address."), fields={"url": [problem]})
    path = parts.path.rstrip("/").removesuffix("/api/v1")
    return f"{parts.scheme}://{parts.netloc}{path}"


def _refused(host: str) -> str:
    """Why nothing is fetched from a host; empty if it is."""
    if settings.LOOPBACK_CONNECTIONS or not _is_loopback(host):
        return ""
    return _(
        "%(host)s is this machine itself, where programs listen that are for nobody outside: "
        "nothing is fetched from it unless LOOPBACK_CONNECTIONS is set, as in development."
    ) % {"host": host}


def _is_loopback(host: str) -> bool:
    """Also of the short and the numeric ways to write an address, which sockets understand."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        found = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        try:
            found = ipaddress.ip_address(socket.inet_aton(name))
        except OSError:
            return False
    found = getattr(found, "ipv4_mapped", None) or found
    return found.is_loopback or found.is_unspecified


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
