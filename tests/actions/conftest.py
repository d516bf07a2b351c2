"""Scoring runs in the test's own process, and threads that are held where the test wants."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from debtreg.actions import scores
from debtreg.models import ScoringRun
from tests.threads import Gate, threads


@pytest.fixture
def run(transactional_db: None) -> Callable[[], ScoringRun]:
    """Ask for a run, do it, and return its row."""

    def once() -> ScoringRun:
        row = scores.queue_run(by=None)
        assert scores.run(row.pk, "test")
        row.refresh_from_db()
        return row

    return once


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any, str], Gate]]:
    """`hold(module, "function")`: its next call waits, before it begins, until the gate opens."""
    gates = []

    def put(place: Any, name: str) -> Gate:
        gate, function = Gate(), getattr(place, name)
        gates.append(gate)

        def held(*arguments: Any, **named: Any) -> Any:
            monkeypatch.setattr(place, name, function)
            gate.hold()
            return function(*arguments, **named)

        monkeypatch.setattr(place, name, held)
        return gate

    yield put
    for gate in gates:
        gate.open()


@pytest.fixture
def start(transactional_db: None, hold: Any) -> Iterator[Callable[..., Future[Any]]]:
    """Start a function in a thread of its own, with a connection of its own."""
    with threads() as starter:
        yield starter
