"""Ledgers that are imported: sources, uploads, rows, findings."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from .job import Job
from .price import money_point
from .words import known_words


class LedgerSource(models.Model):
    """Where rows come from, named by a person: importing it again updates, never doubles."""

    name = models.CharField(max_length=120, unique=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class ImportStep(models.TextChoices):
    PREVIEW = "preview", _("Preview")
    COMMIT = "commit", _("Commit")


class LedgerImport(Job):
    """An uploaded ledger. The preview job reads it; the commit job stores it, all or nothing.

    Each step is a job of its own: `state` is that of the step in `step`.
    """

    step = models.CharField(max_length=7, choices=ImportStep, default=ImportStep.PREVIEW)
    source = models.ForeignKey(LedgerSource, on_delete=models.PROTECT, related_name="imports")
    filename = models.CharField(max_length=255)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes.")
    mapping = models.JSONField(
        default=dict, blank=True, help_text="Sheet -> column index -> field, as corrected."
    )
    sheets = models.JSONField(null=True, blank=True, help_text="Chosen sheets; null: the visible.")
    workbook = models.JSONField(default=dict, blank=True, help_text="Sheets and columns found.")
    summary = models.JSONField(default=dict, blank=True, help_text="Counts, totals, skipped rows.")
    sample = models.JSONField(default=list, blank=True, help_text="The first rows, as read.")
    refusal = models.CharField(max_length=40, blank=True, help_text="Why the file was refused.")
    relies_on = models.JSONField(
        default=dict, editable=False, help_text="Services, their teams, and teams of the lines."
    )

    class Meta(Job.Meta):
        abstract = False
        constraints: ClassVar = [
            *Job.Meta.constraints,
            known_words("ledgerimport", "step", ImportStep.values),
        ]

    def __str__(self) -> str:
        return f"import {self.pk} of {self.filename}"

    @property
    def wants_columns(self) -> bool:
        """It was refused, and a person may choose the columns that make it a ledger."""
        return bool(self.refusal) and any(
            sheet["columns"] for sheet in self.workbook.get("sheets", ())
        )


class UploadChunk(models.Model):
    """A piece of an uploaded file. In the database, because web and worker share no disk."""

    upload = models.ForeignKey(LedgerImport, on_delete=models.CASCADE, related_name="chunks")
    position = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["upload", "position"], name="uploadchunk_once")
        ]

    def __str__(self) -> str:
        return f"piece {self.position} of import {self.upload_id}"


class LedgerFinding(models.Model):
    """Something about one cell that a person should know."""

    ledger_import = models.ForeignKey(
        LedgerImport, on_delete=models.CASCADE, related_name="findings"
    )
    sheet = models.CharField(max_length=120, blank=True)
    row = models.PositiveIntegerField(help_text="The line that Excel shows.")
    field = models.CharField(max_length=40, blank=True)
    kind = models.CharField(max_length=40)
    text = models.TextField(blank=True, help_text="The cell as it was.")
    message = models.TextField()

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{self.sheet}:{self.row} {self.kind}"


class RowState(models.TextChoices):
    IMPORTED = "imported", _("Imported")
    HELD = "held", _("Waits for a person")
    GONE = "gone", _("No longer in the ledger")


def _unchecked(to: str, **options: Any) -> models.ForeignKey[Any, Any]:
    """A reference that the commit sees to: checking one takes as long as writing its row."""
    return models.ForeignKey(
        to,
        on_delete=models.DO_NOTHING,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        **options,
    )


class LedgerLine(models.Model):
    """One line of a ledger as an import has read it; never changed.

    The preview stages it, the commit makes an item of it. The columns are called as those of the
    items and hold what these would say.
    """

    ledger_import = models.ForeignKey(
        LedgerImport, on_delete=models.CASCADE, related_name="lines", db_constraint=False
    )
    key = models.CharField(max_length=400, help_text="Sheet and id: what tells rows apart.")
    sheet = models.CharField(max_length=120, blank=True)
    row = models.PositiveIntegerField(help_text="The line that Excel shows.")
    state = models.CharField(max_length=8, choices=RowState, default=RowState.IMPORTED)
    fingerprint = models.BigIntegerField(help_text="Of the cells; equal: nothing changed.")
    cells_json = models.TextField(default="{}", help_text="Header -> the text that stood there.")

    title = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    category = models.CharField(max_length=80, blank=True)
    service = _unchecked("Service")
    team = _unchecked("Team", help_text="As the ledger names it, else the service's.")
    status = models.CharField(max_length=8)
    effort_low = models.FloatField(null=True, help_text="Person-days.")
    effort_likely = models.FloatField(null=True)
    effort_high = models.FloatField(null=True)
    owner = models.CharField(max_length=120, blank=True)
    plan = models.TextField(blank=True)
    stated_priority = models.CharField(max_length=2, blank=True)
    created_on = models.DateField(null=True)
    due_on = models.DateField(null=True)
    closed_on = models.DateField(null=True)
    ledger_id = models.CharField(max_length=120, blank=True)
    external_ref = models.CharField(max_length=300)
    annual_cost_low = money_point("Money a year, at least.")
    annual_cost_likely = money_point("Money a year, most likely.")
    annual_cost_high = money_point("Money a year, at most.")
    currency = models.CharField(
        max_length=3, blank=True, help_text="Where it is not the installation's."
    )
    depends_on = models.TextField(null=True, help_text="Keys of other lines, as a JSON list.")

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            known_words("ledgerline", "state", [RowState.IMPORTED, RowState.HELD]),
        ]

    def __str__(self) -> str:
        return f"{self.key}"

    @property
    def cells(self) -> dict[str, str]:
        """Header -> the text that stood there, of the filled cells."""
        found: dict[str, str] = json.loads(self.cells_json)
        return found


class LedgerRow(models.Model):
    """A row of a ledger as it was last stored, beside the item that came of it."""

    source = models.ForeignKey(
        LedgerSource,
        on_delete=models.CASCADE,
        related_name="rows",
        db_constraint=False,
        db_index=False,
    )
    key = models.CharField(max_length=400, help_text="Sheet and id: what tells rows apart.")
    item = models.ForeignKey(
        "DebtItem",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="ledger_rows",
        db_constraint=False,
    )
    line = models.ForeignKey(
        LedgerLine,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        help_text="What it says.",
    )
    sheet = models.CharField(max_length=120, blank=True)
    row = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=RowState, default=RowState.IMPORTED)
    fingerprint = models.BigIntegerField(help_text="Of the cells; equal: nothing changed.")

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            known_words("ledgerrow", "state", RowState.values),
            models.UniqueConstraint(fields=["source", "key"], name="ledgerrow_once"),
        ]

    def __str__(self) -> str:
        return f"{self.key}"

    @property
    def cells(self) -> dict[str, str]:
        """Header -> the text that stood there, of the filled cells."""
        return self.line.cells if self.line else {}
