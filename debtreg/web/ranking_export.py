"""The ranking for spreadsheets, as it is filtered: CSV while it is read, or a workbook."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import xlsxwriter
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_safe

from debtreg.models import Score, Service, Team
from debtreg.numbers import plain
from debtreg.web import exports
from debtreg.web.ranking import RankingFilter, found
from debtreg.web.requests import PageRequest

HEADERS = (
    *("key", "title", "service", "team", "status", "state", "priority", "roi", "roi_p5", "roi_p95"),
    *("confidence", "annual_cost", "benefit", "weighted_benefit", "repair_cost", "budget_share"),
    *("effort_low", "effort_likely", "effort_high", "effort_unit", "tags", "external_ref"),
    "scored_at",
)
TEXTS = {"key", "title", "service", "team", "status", "state", "priority", "effort_unit", "tags"}
TEXTS |= {"external_ref", "scored_at"}
# Rows that are read at once; a sheet has no more than MOST_ROWS with its head.
PIECE, MOST_ROWS = 2_000, 1_048_575


@login_required
@require_safe
def export(request: PageRequest) -> HttpResponseBase:
    """`format=xlsx` is a workbook, anything else CSV. What nobody knows is an empty cell."""
    form = RankingFilter(request.GET, list(Team.objects.all()), list(Service.objects.all()))
    rows = _rows(form)
    if request.GET.get("format") == "xlsx":
        return _workbook(rows)
    return exports.as_csv("ranking", HEADERS, rows)


def _rows(form: RankingFilter) -> Iterator[list[Any]]:
    scores = found(form.chosen, form.search).select_related("item__service", "item__team")
    for score in scores.iterator(chunk_size=PIECE):
        yield _row(score)


def _row(score: Score) -> list[Any]:
    item = score.item
    effort = [plain(getattr(item, f"effort_{point}")) for point in ("low", "likely", "high")]
    numbers = (
        *(score.roi, score.roi_p5, score.roi_p95, score.confidence, score.annual_cost),
        *(score.benefit, score.weighted_benefit, score.repair_cost, score.budget_share),
    )
    return [
        *(item.key, item.title, item.service.slug if item.service else ""),
        *(item.team.slug if item.team else "", item.status, score.state, score.priority),
        *map(plain, numbers),
        *effort,
        *(item.effort_unit, " ".join(item.tags), item.external_ref or ""),
        score.scored_at.isoformat(timespec="seconds"),
    ]


def _workbook(rows: Iterator[list[Any]]) -> FileResponse:
    """Written row by row to a file on the disk, which is gone once it is sent."""
    file = tempfile.TemporaryFile(suffix=".xlsx")  # noqa: SIM115 - the response closes it
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, options) as book:
        sheet = book.add_worksheet("ranking")
        sheet.freeze_panes(1, 0)
        sheet.write_row(0, 0, HEADERS)
        for number, row in enumerate(rows, 1):
            if number > MOST_ROWS:
                break
            for column, (name, cell) in enumerate(zip(HEADERS, row, strict=True)):
                if not cell:
                    continue
                if name in TEXTS:
                    sheet.write_string(number, column, cell)
                else:
                    sheet.write_number(number, column, float(cell))
    file.seek(0)
    name = f"ranking-{timezone.localdate()}.xlsx"
    return FileResponse(file, as_attachment=True, filename=name)
