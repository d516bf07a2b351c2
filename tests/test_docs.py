"""What is written in docs/ is what the product does."""

from __future__ import annotations

from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "openapi.yaml"
