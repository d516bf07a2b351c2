"""Keeps processes running on one machine: starts them, restarts what dies, stops them in order."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

LARGEST_LOG = 10 * 1024 * 1024
# A process that has run for so long is well again: its next restart is immediate.
WELL_AFTER_SECONDS = 60
LONGEST_PAUSE_SECONDS = 30


class Stopped(BaseException):
    """A signal to stop came while something was prepared."""


@dataclass
class Part:
    """A process to keep running, with its output in a file."""

    name: str
    command: list[str]
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0
    deaths: int = 0
    due_at: float | None = None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                env=os.environ | self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for the supervisor, which stops the parts in order.
                start_new_session=True,
                preexec_fn=follow_parent,
            )
        self.started_at = time.monotonic()
        self.due_at = None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def how_it_ended(self) -> str:
        status = self.process.returncode if self.process else None
        return f"by signal {-status}" if status and status < 0 else f"with status {status}"

    def signal(self, number: int) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End it and whatever it has left in its process group."""
        if self.process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Supervisor:
    """`with Supervisor(...) as it`: start parts, `watch` them; leaving the block stops them all.

    SIGINT, SIGTERM and SIGHUP end `watch` and `interruptible`; a second one ends the parts at once.
    """

    def __init__(self, *, say: Callable[[str], None], grace_seconds: float) -> None:
        self.say = say
        self.grace_seconds = grace_seconds
        self.parts: list[Part] = []
        self.signals = 0
        self._may_raise = False

    def __enter__(self) -> "Supervisor":
        self._before = {
            number: signal.signal(number, self._noted)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        if "MAKELEVEL" in os.environ:
            # Should `make` be killed, nothing else would tell us.
            follow_parent()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def start(self, part: Part) -> None:
        self.parts.append(part)
        part.start()

    def wait_for(self, part: Part, ready: Callable[[], bool], *, seconds: float = 60) -> bool:
        """True once `ready`; False if the part ended, or was not ready in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.signals:
                raise Stopped
            if not part.alive:
                return False
            if ready():
                return True
            time.sleep(0.05)
        return False

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Work in this process that a signal to stop may break off, by raising Stopped."""
        self._may_raise = True
        try:
            if self.signals:
                raise Stopped
            yield
        finally:
            self._may_raise = False

    def watch(self) -> None:
        """Return when a signal says so; until then start again whatever ends, with pauses."""
        while not self.signals:
            for part in self.parts:
                self._look_at(part)
            time.sleep(0.2)

    def _look_at(self, part: Part) -> None:
        now = time.monotonic()
        if part.alive:
            return
        if part.due_at is None:
            part.kill()  # what it has left behind would work beside its successor
            part.deaths = 0 if now - part.started_at > WELL_AFTER_SECONDS else part.deaths + 1
            pause = min(2.0 ** (part.deaths - 2), LONGEST_PAUSE_SECONDS) if part.deaths > 1 else 0
            part.due_at = now + pause
            when = f"in {pause:g} s" if pause else "now"
            self.say(f"{part.name} ended {part.how_it_ended} and starts again {when}: {part.log}")
        if now >= part.due_at:
            part.start()

    def stop(self) -> None:
        """End what was started last first, each after the work that it has in progress."""
        later = [part for part in self.parts if part.name == "broker"]
        for group in ([part for part in self.parts if part not in later], later):
            self._stop(group)
        self.parts = []

    def _stop(self, parts: list[Part]) -> None:
        for part in reversed(parts):
            part.signal(signal.SIGTERM)
        began, seen, told = time.monotonic(), self.signals, False
        while any(part.alive for part in parts):
            waited = time.monotonic() - began
            if waited > self.grace_seconds or (self.signals > max(seen, 1)):
                break
            if waited > 2 and not told:
                told = True
                busy = ", ".join(part.name for part in parts if part.alive)
                self.say(f"Waiting for work in progress ({busy}). Ctrl-C again ends it at once.")
            time.sleep(0.05)
        for part in parts:
            part.kill()

    def _noted(self, number: int, frame: FrameType | None) -> None:
        self.signals += 1
        if self._may_raise:
            raise Stopped


def follow_parent() -> None:
    """Ask the kernel for a SIGTERM when the parent ends, however it ends. Linux only."""
    if sys.platform == "linux":
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGTERM)
