"""The private servers of the tests themselves."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from debtreg import local
from tests import conftest, servers
from tests.processes import ROOT, Process, until


@pytest.fixture
def environment():
    """What a shell has in which no server runs yet."""
    ours = ("DATABASE_URL", "BROKER_URL", "VAR_DIR", "TEST_", "PYTEST_", "DJANGO_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.fixture(autouse=True)
def _all_there():
    for service in ("postgres", "redis"):
        conftest.need(service)


def test_a_command_gets_servers_that_are_gone_afterwards(environment):
    show = "import os; print(os.environ['DATABASE_URL'], os.environ['BROKER_URL'])"
    done = subprocess.run(
        [sys.executable, "-m", "tests.servers", sys.executable, "-c", show],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    database, broker = done.stdout.split()
    assert database.startswith("postgres://")
    assert not local.socket_in(broker).exists()
    assert not Path(database.partition("host=")[2]).exists()


def test_servers_end_when_their_test_run_is_killed(environment, tmp_path):
    code = (
        "import os, time; from tests import servers; servers.ensure()\n"
        "print(os.environ['DATABASE_URL'], os.environ['BROKER_URL'], 'are up', flush=True)\n"
        "time.sleep(600)"
    )
    process = Process(
        *(sys.executable, "-c", code), env=environment, log=tmp_path / "log", ready="are up"
    )
    database, broker = process.output.split()[:2]
    folder = Path(database.partition("host=")[2])
    psycopg.connect(host=str(folder), user="postgres", dbname="postgres").close()
    redis.Redis.from_url(local.client_url(broker)).ping()
    process.kill()
    until(lambda: not folder.exists(), what=f"{folder} removed")


def test_a_server_of_ones_own_is_new_and_takes_no_care_of_its_disk():
    with servers._folder() as folder, servers.postgres(Path(folder)) as url:
        host = url.partition("host=")[2]
        with psycopg.connect(host=host, user="postgres", dbname="postgres") as found:
            version, fsync = found.execute(
                "SELECT current_setting('server_version_num')::int, current_setting('fsync')"
            ).fetchone()
    assert version >= 150000
    assert fsync == "off"
    assert not Path(folder).exists()


@pytest.mark.parametrize("required", ["0", "1"])
def test_what_is_missing_is_said_in_one_line_and_fails_where_it_is_required(
    environment, required, tmp_path
):
    # Not `-p tests.conftest`: plugins come before Django is set up.
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('broker', ['redis'], indirect=True)\n"
        "def test_it(broker): ...\n"
    )
    known = {
        "TEST_MISSING": "real-redis: no server here",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db",
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "VAR_DIR": str(tmp_path / "var"),
        "REQUIRE_SERVICES": required,
    }
    options = ("-q", "-p", "no:cacheprovider", "-c", "pyproject.toml")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        cwd=ROOT,
        env=environment | known,
        capture_output=True,
        text=True,
    )
    if required == "0":
        assert done.returncode == 0, done.stdout
        said = re.findall(r"^real-redis: .*$", done.stdout, re.M)
        assert said == ["real-redis: NOT AVAILABLE, 1 tests skipped: no server here"]
    else:
        assert done.returncode == 1, done.stdout
        assert "real-redis: no server here" in done.stdout
