"""Connections: who may change them, which addresses they have, and that their secrets stay so."""

import json

import pytest

from debtreg import secrets
from debtreg.actions import connections
from debtreg.actions.debt import NotValid
from debtreg.errors import NotAllowed
from debtreg.models import AuditEntry, AuthKind, Connection, Role
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
TOKEN = "a-token-that-nobody-may-see"


def connection(**columns):
    columns = {"name": "main", "url": "https://prometheus.example.org", **columns}
    return Connection(**columns)


def with_token():
    return connections.save(connection=connection(auth=AuthKind.BEARER), secret=TOKEN, by=None)


def test_an_sre_saves_a_connection_and_its_secret_is_sealed():
    found = connections.save(
        connection=connection(auth=AuthKind.BEARER), secret=TOKEN, by=UserFactory(role=Role.SRE)
    )

    found.refresh_from_db()
    assert TOKEN not in json.dumps([str(value) for value in vars(found).values()])
    assert secrets.unseal(found.sealed_secret) == TOKEN


def test_only_an_sre_may_change_and_remove_connections():
    owner = UserFactory(role=Role.PRODUCT_OWNER)

    with pytest.raises(NotAllowed, match="where readings are fetched from"):
        connections.save(connection=connection(), by=owner)
    there = with_token()
    with pytest.raises(NotAllowed):
        connections.remove(connection=there, by=owner)


def test_the_audit_says_that_a_secret_was_changed_and_not_which():
    there = with_token()
    connections.save(connection=there, secret="another", by=None)
    connections.remove(connection=there, by=None)

    texts = json.dumps(list(AuditEntry.objects.values("action", "old", "new")))
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == [
        "connection.create",
        "connection.update",
        "connection.remove",
    ]
    assert '"secret": "changed"' in texts
    assert TOKEN not in texts
    assert "another" not in texts
    assert "sealed" not in texts


def test_saving_without_a_secret_keeps_the_one_that_is_there():
    there = with_token()
    there.step_seconds = 60
    connections.save(connection=there, by=None)

    assert secrets.unseal(Connection.objects.get().sealed_secret) == TOKEN


def test_a_kept_secret_never_goes_to_another_host():
    there = with_token()
    there.url = "https://elsewhere.example.org"

    with pytest.raises(NotValid, match="another host: enter the secret for it again"):
        connections.save(connection=there, by=None)


def test_without_a_login_no_secret_is_kept():
    there = with_token()
    there.auth = AuthKind.NONE
    connections.save(connection=there, by=None)

    assert Connection.objects.get().sealed_secret == ""


def test_mending_a_connection_has_it_tried_at_once():
    there = with_token()
    Connection.objects.update(failures=5, last_error="It did not answer.")
    there.refresh_from_db()
    there.url += "/prometheus"
    connections.save(connection=there, by=None)

    there.refresh_from_db()
    assert (there.failures, there.retry_at, there.last_error) == (0, None, "")


@pytest.mark.parametrize(
    ("url", "becomes"),
    [
        ("https://prometheus.example.org/", "https://prometheus.example.org"),
        (" https://example.org/prometheus/api/v1/ ", "https://example.org/prometheus"),
        ("http://localhost:9090", "http://localhost:9090"),
        ("http://127.0.0.1:9090", "http://127.0.0.1:9090"),
        ("http://[::1]:9090", "http://[::1]:9090"),
    ],
)
def test_addresses_are_https_or_of_this_machine(url, becomes):
    assert connections.save(connection=connection(url=url), by=None).url == becomes


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "such as https"),
        ("prometheus.example.org", "such as https"),
        ("ftp://example.org", "such as https"),
        ("file:///etc/passwd", "such as https"),
        ("https://[::1", "such as https"),
        ("https://example.org:port", "such as https"),
        ("http://prometheus.example.org", "Plain http is for this machine alone"),
        ("http://10.0.0.1:9090", "Plain http is for this machine alone"),
        ("http://169.254.169.254", "Plain http is for this machine alone"),
        ("http://localhost.example.org", "Plain http is for this machine alone"),
        ("https://user:word@example.org", "fields of their own"),
        ("https://example.org/?a=b", "ends before"),
        ("https://example.org/#here", "ends before"),
    ],
)
def test_other_addresses_are_refused_with_the_reason(url, problem):
    with pytest.raises(NotValid, match=problem) as refused:
        connections.save(connection=connection(url=url), by=None)
    assert "url" in refused.value.fields


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9090",
        "https://localhost",
        "http://127.0.0.1:6379",
        "https://127.1",
        "https://2130706433",
        "https://0.0.0.0",
        "http://[::1]:9090",
        "https://[::ffff:127.0.0.1]",
        "https://prometheus.localhost.",
    ],
)
def test_this_machine_is_a_target_only_where_the_setting_allows_it(url, settings):
    settings.LOOPBACK_CONNECTIONS = False

    with pytest.raises(NotValid, match="is this machine itself") as refused:
        connections.save(connection=connection(url=url), by=None)
    assert "LOOPBACK_CONNECTIONS" in refused.value.fields["url"][0]


@pytest.mark.parametrize("secret", ["", "two\nlines", "ü", "x" * 4_001])
def test_a_secret_that_no_header_can_carry_is_refused(secret):
    with pytest.raises(NotValid) as refused:
        connections.save(connection=connection(auth=AuthKind.BEARER), secret=secret, by=None)
    assert "secret" in refused.value.fields


def test_a_password_needs_its_user():
    with pytest.raises(NotValid, match="Enter the user"):
        connections.save(connection=connection(auth=AuthKind.BASIC), secret=TOKEN, by=None)
