"""Readings of SLIs from people and machines: by call and by file, by rows that are checked."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, BinaryIO

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from debtreg import budgets, readings
from debtreg.actions import audit, rights
from debtreg.errors import DebtregError
from debtreg.models import EVENT, MOST_EVENTS, STEPS, ReadingSource, Slo, User

FIELDS = ("slo", "at", "seconds", "good", "total")
DEFAULT_SECONDS = 300
# A clock of the sender may be ahead by so much.
AHEAD = timedelta(minutes=5)
# Rows of a file that are stored at once, and how many wrong ones are listed.
PIECE, MOST_FINDINGS = 20_000, 200
# A line of a file has five short cells.
_LONGEST_LINE = 2_000


class ReadingsRefused(DebtregError):
    """Nothing was stored, because some rows break rules; `findings` says which and why."""

    def __init__(self, message: str, hint: str, findings: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(
            message,
            hint=hint,
            fields={
                f"{each['place']}.{name}": problems
                for each in findings
                for name, problems in each["fields"].items()
            },
        )
        self.findings = findings


@transaction.atomic
def store(*, rows: Sequence[Any], partial: bool = False, by: User | None) -> dict[str, Any]:
    """Store readings by SLO and time; sending them again changes nothing.

    rows : mappings of slo (its name), at (ISO 8601 with an offset), seconds (300 if left out),
        good and total (numbers or their texts, kept to thousandths)
    partial : store the valid rows where others are not

    Returns created, updated, unchanged, refused and errors ({index, fields}). The SLOs' budgets
    are worked out at once. Raises ReadingsRefused.
    """
    rights.check(by, "readings.store")
    checked = _Rows(by_name(_names(rows)))
    for place, row in enumerate(rows):
        checked.read(place, row)
    checked.refuse_overlaps()
    errors = [
        {"index": place, "fields": fields} for place, fields in sorted(checked.problems.items())
    ]
    if errors and not partial:
        raise ReadingsRefused(
            _("%(n)s of %(all)s readings are not valid, so none was stored.")
            % {"n": len(errors), "all": len(rows)},
            _("Correct what `fields` names, or send partial=true to store the other readings."),
            [{"place": f"readings[{each['index']}]", **each} for each in errors],
        )
    stored = readings.store(checked.batch, source=ReadingSource.API)
    _follow(stored, set(checked.batch.slo_ids), by, source="api")
    return {**vars(stored), "refused": len(errors), "errors": errors}


@transaction.atomic
def import_csv(*, file: BinaryIO, filename: str = "", by: User | None) -> readings.Stored:
    """Store the readings of a CSV file, all of them or none; importing it again changes nothing.

    file : UTF-8, with a header of slo, at, seconds (may be left out), good, total in any order,
        between commas, semicolons or tabs
    Raises ReadingsRefused, whose findings name the lines.
    """
    rights.check(by, "readings.store")
    lines = _lines(file)
    known = by_name(None)
    stored, touched = readings.Stored(), set[int]()
    findings: list[dict[str, Any]] = []
    wrong = count = 0
    taken: dict[tuple[int, int], int] = {}
    while piece := list(islice(lines, PIECE)):
        checked = _Rows(known, taken)
        for place, (_line, row) in enumerate(piece):
            checked.read(place, row)
        checked.refuse_overlaps()
        count, wrong = count + len(piece), wrong + len(checked.problems)
        for place in sorted(checked.problems)[: MOST_FINDINGS - len(findings)]:
            line = piece[place][0]
            fields = checked.problems[place]
            findings.append({"place": f"line {line}", "line": line, "fields": fields})
        if not wrong:
            stored += readings.store(checked.batch, source=ReadingSource.CSV)
            touched.update(checked.batch.slo_ids)
    if wrong:
        more = f"; the first {MOST_FINDINGS} are listed" if wrong > MOST_FINDINGS else ""
        raise ReadingsRefused(
            _("%(wrong)s of %(count)s lines are not valid, so none was stored%(more)s.")
            % {"wrong": f"{wrong:,}", "count": f"{count:,}", "more": more},
            _("Correct these lines and import the file again."),
            findings,
        )
    if not count:
        raise _unreadable("The file has a header and no readings.")
    _follow(stored, touched, by, source=filename or "csv")
    return stored


def _follow(stored: readings.Stored, slo_ids: set[int], by: User | None, *, source: str) -> None:
    if stored.created or stored.updated:
        budgets.refresh(sorted(slo_ids))
        new = {"source": source[:200], "slos": len(slo_ids), **vars(stored)}
        audit.record("readings.store", "readings", by=by, new=new, kind="reading")


def by_name(names: Iterable[str] | None) -> dict[str, tuple[int, int | None]]:
    """Name -> key and slice of SLOs (None: of all)."""
    slos = Slo.objects.all() if names is None else Slo.objects.filter(name__in=set(names))
    return {name: (pk, each) for name, pk, each in slos.values_list("name", "pk", "slice_seconds")}


def _names(rows: Iterable[Any]) -> Iterator[str]:
    for row in rows:
        if isinstance(row, Mapping) and isinstance(name := row.get("slo"), str):
            yield name.strip()


# --- Rows -----------------------------------------------------------------------------------------


class _Rows:
    """Rows that are checked one by one; the good ones are in `batch`."""

    def __init__(
        self,
        slos: Mapping[str, tuple[int, int | None]],
        taken: dict[tuple[int, int], int] | None = None,
    ) -> None:
        """taken : SLO, hour -> bits of the minutes that other rows cover"""
        self.slos, self.taken = slos, {} if taken is None else taken
        self.batch, self.places = readings.Batch(), list[int]()
        self.problems: dict[int, dict[str, list[str]]] = {}
        self.oldest, self.newest = readings.oldest_kept(), timezone.now() + AHEAD

    def read(self, place: int, row: Any) -> None:
        if not isinstance(row, Mapping):
            self.problems[place] = {"row": [_("A reading is {slo, at, seconds, good, total}.")]}
            return
        problems: dict[str, list[str]] = {}
        for name in row:
            if name not in FIELDS:
                problems[str(name)[:80]] = [_("There is no field of this name.")]
        found: dict[str, Any] = {}
        for name, read in _READERS.items():
            try:
                found[name] = read(row.get(name))
            except ValueError as error:
                problems[name] = [str(error)]
        if not problems:
            problems = self._problems(**found)
        if problems:
            self.problems[place] = problems
            return
        self.batch.add(self.slos[found.pop("slo")][0], **found)
        self.places.append(place)

    def _problems(
        self, slo: str, at: datetime, seconds: int, good: int, total: int
    ) -> dict[str, list[str]]:
        if slo not in self.slos:
            return {"slo": [_("There is no SLO '%(slo)s'.") % {"slo": slo[:80]}]}
        epoch = int(at.timestamp())
        if epoch % seconds or at.microsecond:
            return {
                "at": [
                    _("A reading of %(seconds)s s begins at a multiple of that.")
                    % {"seconds": seconds}
                ]
            }
        if at < self.oldest:
            day = f"{self.oldest:%Y-%m-%d}"
            return {"at": [_("Readings before %(day)s are not kept.") % {"day": day}]}
        if at + timedelta(seconds=seconds) > self.newest:
            return {"at": [_("It ends in the future: the time of a reading is when it begins.")]}
        if good > total:
            return {
                "good": [
                    _("%(good)s good of %(total)s events.")
                    % {"good": _plain(good), "total": _plain(total)}
                ]
            }
        pk, slice_seconds = self.slos[slo]
        if slice_seconds and slice_seconds % seconds:
            return {
                "seconds": [
                    _(
                        "%(slo)s counts slices of %(slice_seconds)s s: a reading of %(seconds)s s "
                        "does not divide them."
                    )
                    % {"slo": slo, "slice_seconds": slice_seconds, "seconds": seconds}
                ]
            }
        key, minute = (pk, epoch // 3600), epoch % 3600 // 60
        covered = ((1 << seconds // 60) - 1) << minute
        if self.taken.get(key, 0) & covered:
            return {"at": [_("Another row of the same SLO covers this time, too.")]}
        self.taken[key] = self.taken.get(key, 0) | covered
        return {}

    def refuse_overlaps(self) -> None:
        """Lock the SLOs; refuse rows that lie across stored readings of another length."""
        readings.lock(self.batch.slo_ids)
        across = readings.overlaps(self.batch)
        for place, (at, seconds) in across.items():
            self.problems[self.places[place]] = {
                "seconds": [
                    _(
                        "It lies across the reading of %(seconds)s s that begins at %(at)s: the "
                        "same time would count twice."
                    )
                    % {"seconds": seconds, "at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
                ]
            }
        if across:
            kept = [place for place in range(len(self.batch)) if place not in across]
            self.batch = self.batch.at_places(kept)
            self.places = [self.places[place] for place in kept]


def _slo(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(_("The name of an SLO."))
    return value.strip()


def _at(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(value.strip())
        if found.tzinfo is None:
            raise ValueError
        return found.astimezone(UTC)
    except (AttributeError, ValueError, OverflowError):
        raise ValueError(_("A time with its offset, such as 2026-03-01T10:05:00Z.")) from None


def _seconds(value: Any) -> int:
    if value is None or value == "":
        return DEFAULT_SECONDS
    number = (
        int(value) if isinstance(value, str) and re.fullmatch(r"\s*\d{1,5}\s*", value) else value
    )
    if isinstance(number, bool) or number not in STEPS:
        raise ValueError(
            _("Whole minutes that divide an hour: %(str)s.") % {"str": ", ".join(map(str, STEPS))}
        )
    return int(number)


def _events(value: Any) -> int:
    """A number of events in thousandths, as they are stored: what lies between is rounded."""
    if isinstance(value, str) and len(value) <= 60 and "_" not in value:
        try:
            value = Decimal(value.strip())
        except InvalidOperation:
            value = None
    elif isinstance(value, float):
        # A JSON number such as 0.30000000000000004 means what its first 15 digits say.
        value = Decimal(f"{value:.15g}")
    elif isinstance(value, bool) or not isinstance(value, int | Decimal):
        value = None
    if value is None or (isinstance(value, Decimal) and not value.is_finite()):
        raise ValueError(_("A number of events, or its text."))
    if not 0 <= value <= MOST_EVENTS:
        raise ValueError(
            _("A number of events from 0 to %(most_events)s.") % {"most_events": f"{MOST_EVENTS:,}"}
        )
    return int((value * EVENT).to_integral_value()) if isinstance(value, Decimal) else value * EVENT


_READERS: dict[str, Any] = {
    "slo": _slo,
    "at": _at,
    "seconds": _seconds,
    "good": _events,
    "total": _events,
}


def _plain(events: int) -> str:
    return f"{Decimal(events) / EVENT:,f}"


# --- Files ----------------------------------------------------------------------------------------


def _lines(file: BinaryIO) -> Iterator[tuple[int, dict[str, str] | None]]:
    """The number of each line and its cells by name; None where it has not as many as the header.

    Raises ReadingsRefused where the file cannot be read.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    number = 1
    try:
        header = text.readline(_LONGEST_LINE)
        delimiter = max(",;\t", key=header.count)
        names = [
            cell.strip().lower() for cell in next(csv.reader([header], delimiter=delimiter), [])
        ]
        if problem := _header_problem(names):
            raise _unreadable(problem)
        rows = csv.reader(_short(text), delimiter=delimiter, strict=True)
        for number, cells in _numbered(rows):
            if any(cell.strip() for cell in cells):
                row = dict(zip(names, cells, strict=True)) if len(cells) == len(names) else None
                yield number, row
    except UnicodeDecodeError:
        raise _unreadable(_("The file is no text in UTF-8.")) from None
    except csv.Error as error:
        raise _unreadable(
            _("The line after line %(number)s is no CSV: %(error)s.")
            % {"number": number, "error": error}
        ) from None
    finally:
        text.detach()  # closing is for the caller


def _numbered(rows: Any) -> Iterator[tuple[int, list[str]]]:
    for cells in rows:
        yield rows.line_num + 1, cells


def _short(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error(
                _("it is longer than %(longest_line)s characters")
                % {"longest_line": f"{_LONGEST_LINE:,}"}
            )
        yield line


def _header_problem(names: Sequence[str]) -> str:
    if unknown := [name for name in names if name not in FIELDS]:
        return _("The header names a column '%(unknown)s'.") % {"unknown": unknown[0][:80]}
    if missing := [name for name in FIELDS if name not in names and name != "seconds"]:
        return _("The header names no column '%(missing)s'.") % {"missing": missing[0]}
    if len(set(names)) < len(names):
        return _("The header names a column twice.")
    return ""


def _unreadable(problem: str) -> ReadingsRefused:
    return ReadingsRefused(
        problem, _("A file of readings begins with the line slo,at,seconds,good,total."), []
    )
