"""Promises of the files around the code: lock files, image, compose file."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from django.template.loader import get_template

import debtreg
from debtreg import settings as product

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ["requirements.txt", "requirements-dev.txt"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements):
    """Package names without extras and versions, as indexes spell them."""
    found = (re.match(r"[\w.-]+", line) for line in requirements)
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_hashes_everything(lock):
    text = (ROOT / lock).read_text()
    assert not re.search(r"https?://|file:|--(extra-)?index|find-links|trusted", text)
    pinned = re.findall(r"^[a-z0-9].*", text, re.M | re.I)
    assert pinned
    for line in pinned:
        assert re.match(r"[\w.-]+(\[[\w, -]+\])?==\S+.*\\$", line), line
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) >= len(pinned)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_extras_too(lock):
    # pip takes `coverage[toml]>=7` for another requirement than `coverage==7.1`: once a newer
    # release is out, it refuses to install what is not pinned by that very name.
    assert re.search(r"^celery\[redis\]==", (ROOT / lock).read_text(), re.M)


def test_the_locks_hold_every_dependency():
    locked = names((ROOT / "requirements.txt").read_text().splitlines())
    assert names(PROJECT["dependencies"]) <= locked
    tools = names((ROOT / "requirements-dev.txt").read_text().splitlines())
    assert names(PROJECT["optional-dependencies"]["dev"]) <= tools


def test_the_locks_agree():
    pins = [dict(re.findall(r"^(\S.*?)==(\S+)", (ROOT / lock).read_text(), re.M)) for lock in LOCKS]
    shared = pins[0].keys() & pins[1].keys()
    assert shared
    assert {name: pins[0][name] for name in shared} == {name: pins[1][name] for name in shared}


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def test_compose_runs_this_version(services):
    assert PROJECT["version"] == debtreg.__version__
    ours = {name: service for name, service in services.items() if "build" in service}
    assert set(ours) == {"migrate", "web", "worker", "beat"}
    for service in ours.values():
        assert service["image"] == f"debtreg:{debtreg.__version__}"


def test_compose_bounds_every_part_and_watches_it(services):
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory"} <= limits.keys(), name
        assert service["restart"] == ("on-failure" if name == "migrate" else "unless-stopped")
        # The image's own check is the web server's.
        assert name == "web" or "healthcheck" in service, name


def test_compose_gives_work_in_progress_the_time_that_it_gets(services):
    for name in ("web", "worker"):
        assert int(services[name]["stop_grace_period"].rstrip("s")) > product.STOP_GRACE_SECONDS


def test_compose_migrates_before_anything_runs(services):
    for name in ("web", "worker", "beat"):
        waits = services[name]["depends_on"]
        assert waits["migrate"] == {"condition": "service_completed_successfully"}
        assert waits["redis"] == {"condition": "service_healthy"}
    assert services["migrate"]["depends_on"]["db"] == {"condition": "service_healthy"}


def test_compose_keeps_every_message(services):
    command = services["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_the_image_runs_as_nobody_special_and_installs_by_hash():
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER 10001$", text, re.M)
    assert "--require-hashes" in text
    for source in re.findall(r"^COPY (?!--from)(\S+)", text, re.M):
        assert (ROOT / source).exists(), source
        assert f"!{source}" in (ROOT / ".dockerignore").read_text().splitlines()


def test_make_alone_lists_every_command():
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    rules = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: help (.*)$", rules, re.M)[1].split()
    assert set(re.findall(r"^  (\w+) ", done.stdout, re.M)) == set(targets)


def test_every_template_compiles():
    found = sorted((ROOT / "templates").rglob("*.html"))
    assert found
    for path in found:
        get_template(str(path.relative_to(ROOT / "templates")))
