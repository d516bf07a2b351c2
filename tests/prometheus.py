"""A private Prometheus, what it scrapes, and a past for it."""

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx

from tests.processes import Process, environment, until


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Server:
    """A real Prometheus on loopback, which may be stopped and started again on its data."""

    def __init__(self, folder: Path, target: int | None = None) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        self.config = folder / "prometheus.yml"
        targets = f"['127.0.0.1:{target}']" if target else "[]"
        self.config.write_text(
            "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
            "scrape_configs:\n"
            f"  - {{job_name: shop, static_configs: [{{targets: {targets}}}]}}\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def remember(self, samples: Iterable[tuple[str, int, float]]) -> None:
        """Give it a past: (series, seconds since 1970, value), all samples of a series together."""
        text = self.folder / "past.txt"
        with text.open("w") as out:
            for series, at, value in samples:
                out.write(f"{series} {value} {at}\n")
            out.write("# EOF\n")
        subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "openmetrics", text, self.data],
            check=True,
            capture_output=True,
        )

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self.config}",
                    f"--storage.tsdb.path={self.data}",
                    "--storage.tsdb.retention.time=10y",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self.is_ready, what=f"Prometheus in {self.folder / 'log'}")

    def is_ready(self) -> bool:
        assert self.process
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/-/ready", trust_env=False).status_code == 200
        return False

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        if self.process:
            self.process.send_signal(by)
            self.process.wait(30)
            self.process = None


class Shop:
    """A small instrumented process, told by lines what to serve."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.orders = folder / "orders"
        self.orders.touch()
        self.process = Process(
            *(sys.executable, "-m", "tests.instrumented", str(self.port), str(self.orders)),
            env=environment(),
            log=folder / "shop.log",
            ready="open",
        )

    def serve(self, count: int, seconds: float, code: int = 200) -> None:
        with self.orders.open("a") as out:
            out.write(f"{count} {seconds} {code}\n")


@contextlib.contextmanager
def shop(folder: Path) -> Iterator[Shop]:
    found = Shop(folder)
    try:
        yield found
    finally:
        found.process.kill()
