"""The product's settings in the environment of a test run."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from tests import servers

os.environ.setdefault("SECRET_KEY", "only for tests, and long enough to be taken for a real key")
os.environ.setdefault("HTTPS", "false")
os.environ.setdefault("LOOPBACK_CONNECTIONS", "true")
os.environ.setdefault("LOG_LEVEL", "WARNING")
servers.ensure()

# Workers of pytest-xdist share the servers: each has a Redis database and a folder of its own.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    number = 1 + int(worker.removeprefix("gw"))
    os.environ["VAR_DIR"] = str(Path(os.environ["VAR_DIR"]) / worker)
    for name in ("BROKER_URL", "TEST_REDIS_URL"):
        url = urlsplit(os.environ.get(name, ""))
        if url.scheme == "redis+socket":
            os.environ[name] = f"{url.scheme}://{url.path}?virtual_host={number}"
        elif url.scheme in ("redis", "rediss"):
            os.environ[name] = url._replace(path=f"/{number}").geturl()
        elif url.scheme == "filesystem":
            os.environ[name] = f"{url.scheme}://{url.path}/{worker}"

from debtreg.settings import *  # noqa: E402, F403
