"""Ledgers that are imported: sources, uploads, rows, findings."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from .job import Job
from .words import known_words


class LedgerSource(models.Model):
    """Where rows come from, named by a person: importing it again updates, never doubles."""

    name = models.CharField(max_length=120, unique=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class ImportStep(models.TextChoices):
    PREVIEW = "preview", "Preview"
    COMMIT = "commit", "Commit"


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

    class Meta(Job.Meta):
        abstract = False
        constraints: ClassVar = [
            *Job.Meta.constraints,
            known_words("ledgerimport", "step", ImportStep.values),
        ]

    def __str__(self) -> str:
        return f"import {self.pk} of {self.filename}"


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
    IMPORTED = "imported", "Imported"
    HELD = "held", "Waits for a person"
    GONE = "gone", "No longer in the ledger"


class LedgerRow(models.Model):
    """One line of a ledger as it was last imported, beside the item that came of it."""

    source = models.ForeignKey(LedgerSource, on_delete=models.CASCADE, related_name="rows")
    key = models.CharField(max_length=400, help_text="Sheet and id: what tells rows apart.")
    ledger_import = models.ForeignKey(
        LedgerImport, on_delete=models.SET_NULL, null=True, related_name="rows"
    )
    item = models.ForeignKey(
        "DebtItem", on_delete=models.SET_NULL, null=True, blank=True, related_name="ledger_rows"
    )
    sheet = models.CharField(max_length=120, blank=True)
    row = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=RowState, default=RowState.IMPORTED)
    cells = models.JSONField(default=dict, help_text="Header -> the text that stood there.")
    values = models.JSONField(default=dict, help_text="Field -> what was made of it.")
    fingerprint = models.BigIntegerField(help_text="Of the cells; equal: nothing changed.")

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            known_words("ledgerrow", "state", RowState.values),
            models.UniqueConstraint(fields=["source", "key"], name="ledgerrow_once"),
        ]

    def __str__(self) -> str:
        return f"{self.key}"
