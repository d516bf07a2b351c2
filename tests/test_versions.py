"""Which version of the policy counts: one whose signature fits and that keeps to the schema."""

import hashlib
import hmac
import importlib
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from debtreg import versions
from debtreg.models import PolicyActivation, ScoringPolicy
from debtreg.models.policy import signature_of
from tests.factories import ScoringPolicyFactory, tamper

PAYLOAD = importlib.import_module("debtreg.migrations.0002_defaults").POLICY_1
OLD_KEY = "the key of last year, which somebody has seen over a shoulder"


def set_column(version, column, value):
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE debtreg_scoringpolicy SET {column} = %s WHERE version = %s", [value, version]
        )


def problem_of(version):
    try:
        versions.read(ScoringPolicy.objects.get(version=version))
    except versions.PolicyRefused as refused:
        return refused.message
    return ""


# --- Signatures -----------------------------------------------------------------------------------


def test_the_first_version_is_there_signed_and_in_force(db):
    standing = versions.standing()
    assert (standing.version, standing.threshold, standing.problem) == (1, 3.0, None)
    assert versions.in_force().weights["latency"] == 1.0


def test_a_signature_is_hmac_sha256_over_version_and_payload(settings):
    """Worked out by hand: sorted keys, no blanks, floats; the key is derived from SECRET_KEY."""
    settings.SECRET_KEY = "k"
    key = hashlib.sha256(b"debtreg.policyk").digest()
    text = b'{"payload":{"a":{"y":0.0,"z":true},"b":3.0},"version":7}'
    wanted = hmac.new(key, text, hashlib.sha256).hexdigest()
    assert signature_of(7, {"b": 3, "a": {"z": True, "y": -0.0}}) == wanted
    assert signature_of(8, {"b": 3, "a": {"z": True, "y": -0.0}}) != wanted


@pytest.mark.parametrize("number", [0.1, 1e-7, 5e-324, 2.5000000000000004, 3, -0.0, 1e6])
def test_a_number_is_signed_as_each_database_gives_it_back(db, number):
    row = ScoringPolicyFactory(threshold=number, demote_below=0, in_force=False)
    assert ScoringPolicy.objects.get(pk=row.pk).is_genuine()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("payload", {"threshold": 2.999}),
        ("signature", "0" * 64),
        ("signature", "é"),
        ("version", 9),
    ],
)
def test_whatever_is_changed_in_the_database_is_noticed(db, column, value):
    ScoringPolicyFactory()
    if column == "payload":
        tamper(2, **value)
    else:
        with connection.constraint_checks_disabled():
            PolicyActivation.objects.filter(policy=2).delete()
            set_column(2, column, value)
    version = value if column == "version" else 2
    assert problem_of(version) == (
        f"Version {version} of the scoring policy is refused: its signature does not fit what it"
        " says."
    )


def test_a_signature_of_another_version_does_not_fit(db):
    ScoringPolicyFactory()
    set_column(2, "signature", ScoringPolicy.objects.get(version=1).signature)
    assert "signature" in problem_of(2)


def test_what_breaks_the_schema_is_refused_however_well_it_is_signed(db):
    row = ScoringPolicyFactory(weights={"toil": 99}, in_force=False)
    assert row.is_genuine()
    assert problem_of(2) == (
        "Version 2 of the scoring policy is refused: it breaks the schema."
        " weights.toil is refused: 99 is greater than the maximum of 3."
    )


@pytest.mark.parametrize("payload", ["[]", "null", '"x"', "1e400", '{"weights": []}'])
def test_any_json_at_all_in_a_row_is_refused_and_no_error(db, payload):
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite" or payload != "1e400":
            cursor.execute("UPDATE debtreg_scoringpolicy SET payload = %s", [payload])
    assert problem_of(1) or payload == "1e400"


# --- Versions never change ------------------------------------------------------------------------


def test_a_version_can_neither_be_changed_nor_removed(db):
    row = ScoringPolicy.objects.get()
    row.payload["threshold"] = 1
    for attempt in (
        row.save,
        row.delete,
        ScoringPolicy.objects.all().delete,
        lambda: ScoringPolicy.objects.update(payload={}),
        lambda: ScoringPolicy.objects.bulk_update([row], ["payload"]),
    ):
        with pytest.raises(TypeError, match="never changes"), transaction.atomic():
            attempt()
    assert versions.in_force().threshold == 3.0


def test_a_number_is_given_to_one_version_only(db):
    with pytest.raises(IntegrityError), transaction.atomic():
        ScoringPolicy(version=1, payload={}).save()
    assert versions.in_force().threshold == 3.0


# --- In force -------------------------------------------------------------------------------------


def test_the_version_that_was_activated_last_is_in_force(db, django_assert_num_queries):
    ScoringPolicyFactory(threshold=2.5)
    ScoringPolicyFactory(threshold=4, in_force=False)
    with django_assert_num_queries(1):
        assert versions.in_force().threshold == 2.5


def test_a_refused_one_leaves_the_last_good_one_in_force_and_a_line_in_the_log(db, caplog):
    ScoringPolicyFactory(threshold=2.5)
    ScoringPolicyFactory(threshold=2.6)
    ScoringPolicyFactory(threshold=2.7)
    tamper(4, threshold=0)
    tamper(3, threshold=0)

    standing = versions.standing()

    assert (standing.version, standing.threshold) == (2, 2.5)
    assert "Version 4 of the scoring policy is refused" in standing.problem.message
    assert "SECRET_KEY_FALLBACKS" in standing.problem.hint
    assert versions.in_force().version == 2
    assert "policy_refused" in caplog.text
    assert "Version 4 of the scoring policy is refused" in caplog.text


def test_what_was_rolled_back_is_no_good_one_to_fall_back_on(db):
    first = PolicyActivation.objects.get()
    second = ScoringPolicyFactory()
    ScoringPolicyFactory()
    PolicyActivation.objects.create(
        policy=second, previous=PolicyActivation.objects.get(policy=second).previous
    )
    tamper(2, threshold=0)
    assert first.policy_id == versions.in_force().version == 1


def test_without_a_good_one_nothing_is_scored_and_it_is_said_why(db, caplog):
    tamper(1, threshold=0)
    assert versions.standing().row is None
    with pytest.raises(versions.NoPolicy, match="nothing can be scored") as refused:
        versions.in_force()
    assert "manage.py sign_policies" in refused.value.hint
    assert refused.value.http_status == 409
    assert "policy_missing" in caplog.text


def test_a_circle_of_activations_ends(db):
    ScoringPolicyFactory()
    last, first = PolicyActivation.objects.all()
    PolicyActivation.objects.filter(pk=first.pk).update(previous=last)
    tamper(1, threshold=0)
    tamper(2, threshold=0)
    assert isinstance(versions.standing().problem, versions.NoPolicy)


# --- Keys -----------------------------------------------------------------------------------------


def test_a_signature_of_a_key_before_stays_valid(db, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD_KEY, [settings.SECRET_KEY]
    assert versions.in_force().version == 1
    settings.SECRET_KEY_FALLBACKS = []
    assert versions.standing().row is None


# --- Checks ---------------------------------------------------------------------------------------


def test_manage_py_check_tells_of_a_refused_version(db, capsys):
    call_command("check", databases=["default"])
    assert "refused" not in capsys.readouterr().err
    tamper(ScoringPolicyFactory().version, threshold=0)
    call_command("check", databases=["default"])
    said = capsys.readouterr().err
    assert "(debtreg.W003) Version 2 of the scoring policy is refused" in said
    assert "HINT: Find out who changed it" in said
    call_command("check")
    assert "refused" not in capsys.readouterr().err


# --- An installation that is there ----------------------------------------------------------------


@pytest.mark.once
def test_an_upgrade_signs_what_is_there_and_keeps_in_force_what_was(tmp_path, settings):
    """On a database of its own, which goes forward only, as those of installations do."""
    variables = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "VAR_DIR": str(tmp_path),
        "SECRET_KEY": settings.SECRET_KEY,
    }

    def manage(*arguments):
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command,
            cwd=settings.BASE_DIR,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr

    manage("migrate", "debtreg", "0005", "--skip-checks")
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database, database:
        database.execute("UPDATE debtreg_scoringpolicy SET is_active = 0")
        database.execute(
            "INSERT INTO debtreg_scoringpolicy"
            " (version, payload, signature, note, is_active, created_at)"
            " VALUES (2, ?, '', '', 1, '2026-01-01 00:00:00')",
            [json.dumps(PAYLOAD | {"threshold": 2.5})],
        )
    manage("migrate", "debtreg", "0008", "--skip-checks")
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        rows = database.execute("SELECT version, payload, signature FROM debtreg_scoringpolicy")
        for version, payload, signature in rows:
            assert signature == signature_of(version, json.loads(payload))
        found = database.execute("SELECT policy_id, previous_id, at FROM debtreg_policyactivation")
        assert found.fetchall() == [(2, None, "2026-01-01 00:00:00")]
