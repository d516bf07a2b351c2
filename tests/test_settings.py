import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from debtreg import settings as product
from debtreg.env import Env

ROOT = Path(__file__).resolve().parent.parent
GOOD = {"SECRET_KEY": "k" * 50}
PRODUCTION = {
    "SECRET_KEY": "Vb2-9fQzR7mKp4XtLw8sYh3NcJd6GaEu5oTiZxC1vBnM0qWrPl",
    "ALLOWED_HOSTS": "debt.example.com",
    "METRICS_TOKEN": "a-token-for-the-scraper",
}


def run(*command, tmp_path, **variables):
    """Run Python in an environment with nothing but these settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=kept | {"VAR_DIR": str(tmp_path)} | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )


def read(expression, tmp_path, **variables):
    done = run(
        "-c",
        f"from debtreg.settings import *; print({expression})",
        tmp_path=tmp_path,
        **(GOOD | variables),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("name", "value"),
    [("SECRET_KEY_FALLBACKS", "k" * 50 + ",hidden"), ("DATABASE_URL", "postgres://hidden@h")],
)
def test_a_weak_former_key_and_a_database_without_a_name_stop_the_start(tmp_path, name, value):
    done = run("manage.py", "check", tmp_path=tmp_path, **GOOD, **{name: value})
    assert done.returncode == 2
    assert re.findall(r"debtreg cannot start: (\w+)", done.stderr) == [name]
    assert "hidden" not in done.stderr


@pytest.mark.parametrize("code", ["ZZZ", "cny", "CN"])
def test_a_currency_that_is_none_is_refused(tmp_path, code):
    done = run("manage.py", "check", tmp_path=tmp_path, **GOOD, CURRENCY=code)
    assert done.returncode == 2
    assert f"CURRENCY is '{code}': it needs an ISO 4217 code such as CNY." in done.stderr


def test_every_wrong_setting_is_named_at_once_and_nothing_starts(tmp_path):
    done = run(
        "manage.py", "check",
        tmp_path=tmp_path, PORT="abc", HTTPS="treu", NIGHTLY_AT="25:00", CURRENCY="yuan",
        TIME_ZONE="Mars/Base", DATABASE_URL="mysql://u:hidden@h/n", BROKER_URL="amqp://x",
        WEB_THREADS="0", LOG_LEVEL="loud", CSRF_TRUSTED_ORIGINS="example.com",
    )  # fmt: skip
    assert done.returncode == 2
    named = re.findall(r"debtreg cannot start: (\w+)", done.stderr)
    assert sorted(named) == [
        "BROKER_URL", "CSRF_TRUSTED_ORIGINS", "CURRENCY", "DATABASE_URL", "HTTPS", "LOG_LEVEL",
        "NIGHTLY_AT", "PORT", "SECRET_KEY", "TIME_ZONE", "WEB_THREADS",
    ]  # fmt: skip
    assert "PORT is 'abc': it needs a whole number from 1 to 65535." in done.stderr
    assert "hidden" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "gunicorn", "-c", "python:debtreg.server", "debtreg.wsgi"),
        ("-m", "celery", "-A", "debtreg", "worker"),
        ("manage.py", "run"),
    ],
    ids=["web", "worker", "run"],
)
def test_each_process_stops_with_the_name_of_the_wrong_setting(command, tmp_path):
    done = run(*command, tmp_path=tmp_path, PORT="abc", **GOOD)
    assert done.returncode != 0
    assert "debtreg cannot start: PORT is 'abc'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("manifest", [None, "{}", '{"version": "1.1", "paths": {}}'])
def test_the_web_server_refuses_a_static_root_that_was_never_collected(manifest, tmp_path):
    root = tmp_path / "static"
    if manifest:
        root.mkdir()
        (root / "staticfiles.json").write_text(manifest)
    gunicorn = ("-m", "gunicorn", "--check-config", "-c", "python:debtreg.server", "debtreg.wsgi")
    done = run(*gunicorn, tmp_path=tmp_path, STATIC_ROOT=str(root), **GOOD)
    assert done.returncode != 0
    assert f"debtreg cannot start: STATIC_ROOT is '{root}'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_web_server_starts_on_what_collectstatic_has_filled(tmp_path):
    variables = GOOD | {"STATIC_ROOT": str(tmp_path / "static")}
    collected = run("manage.py", "collectstatic", "--no-input", tmp_path=tmp_path, **variables)
    assert collected.returncode == 0, collected.stderr
    gunicorn = ("-m", "gunicorn", "--check-config", "-c", "python:debtreg.server", "debtreg.wsgi")
    started = run(*gunicorn, tmp_path=tmp_path, **variables)
    assert started.returncode == 0, started.stderr


def test_a_secret_that_is_too_short_is_refused_without_being_shown(tmp_path):
    done = run("manage.py", "check", tmp_path=tmp_path, SECRET_KEY="hunter2")
    assert "SECRET_KEY has 7 characters: it needs 50 or more." in done.stderr
    assert "hunter2" not in done.stderr


def test_a_setting_may_come_from_a_file(tmp_path):
    (tmp_path / "key").write_text("f" * 60 + "\n")
    key = str(tmp_path / "key")
    assert read("SECRET_KEY", tmp_path, SECRET_KEY_FILE=key) == "f" * 60


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    done = run("manage.py", "check", tmp_path=tmp_path, SECRET_KEY_FILE="/no/such/file")
    assert "SECRET_KEY_FILE names a file that cannot be read" in done.stderr
    assert done.returncode == 2


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    done = run("manage.py", "check", tmp_path=tmp_path / "file" / "var", **GOOD)
    assert "debtreg cannot start: VAR_DIR needs the folder" in done.stderr


def test_the_environment_goes_before_what_the_demo_noted(tmp_path):
    (tmp_path / "env").write_text("CURRENCY=EUR\nTIME_ZONE=Asia/Shanghai\n")
    found = read("(CURRENCY, TIME_ZONE)", tmp_path, CURRENCY="USD")
    assert found == "('USD', 'Asia/Shanghai')"


def test_sqlite_waits_for_its_lock_instead_of_failing(tmp_path):
    options = read("DATABASES['default']['OPTIONS']", tmp_path)
    assert "'transaction_mode': 'IMMEDIATE'" in options
    assert "journal_mode=WAL" in options


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgres://u:p%40ss@db.example.com:5433/name", "db.example.com", "5433"),
        ("postgres://u:p%40ss@/name?host=/run/pg", "/run/pg", ""),
    ],
)
def test_postgresql_is_reached_by_address_or_by_socket(url, host, port, tmp_path):
    parts = "[DATABASES['default'][k] for k in ('HOST', 'PORT', 'NAME', 'USER', 'PASSWORD')]"
    found = read(parts, tmp_path, DATABASE_URL=url)
    assert found.replace("'", "") == f"[{host}, {port}, name, u, p@ss]"


@pytest.mark.parametrize(
    ("broker", "cache"),
    [
        ("redis+socket:///run/b.sock?virtual_host=3", "unix:///run/b.sock?db=3"),
        ("redis://:secret@host:6379/2", "redis://:secret@host:6379/2"),
    ],
)
def test_the_cache_lives_on_the_brokers_server(broker, cache, tmp_path):
    assert read("CACHES['default']['LOCATION']", tmp_path, BROKER_URL=broker) == cache


def test_without_a_redis_the_queue_and_the_cache_are_folders(tmp_path):
    assert "FileBasedCache" in read("CACHES", tmp_path)
    assert str(tmp_path / "queue") in read("CELERY_BROKER_TRANSPORT_OPTIONS", tmp_path)


def test_deployment_checks_find_nothing_under_the_documented_production_settings(tmp_path):
    done = run(
        "manage.py", "check", "--deploy", "--fail-level", "WARNING", tmp_path=tmp_path, **PRODUCTION
    )
    assert done.returncode == 0, done.stderr


def test_the_example_describes_every_setting_and_no_other():
    example = (ROOT / ".env.example").read_text()
    described = set(re.findall(r"^#?([A-Z_]+)=", example, re.M))
    of_compose = {"POSTGRES_PASSWORD"}
    assert described - of_compose == set(product.env.defaults)


def test_the_example_shows_the_defaults_in_force():
    example = dict(re.findall(r"^#([A-Z_]+)=(.+)$", (ROOT / ".env.example").read_text(), re.M))
    # Those two depend on where the checkout lies, and on what the rest of the line says.
    del example["VAR_DIR"]
    for name, shown in example.items():
        default = product.env.defaults[name]
        assert shown == (str(default).lower() if isinstance(default, bool) else str(default)), name


def test_a_number_with_more_digits_than_any_setting_needs_is_refused(monkeypatch):
    monkeypatch.setitem(os.environ, "PORT", "9" * 5000)
    env = Env()
    assert env.whole("PORT", 8000, least=1, most=65535) == 8000
    assert env.problems
