"""What files of other tools say, and how they are written: text in, entries out. Knows no model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from debtreg.formats import backstage, documents, openslo, sloth
from debtreg.formats.documents import Document, NotReadable
from debtreg.formats.entries import Contents

Reader = Callable[[list[Document]], Contents]
READERS: dict[str, Reader] = {
    openslo.FORMAT: openslo.read,
    sloth.FORMAT: sloth.read,
    backstage.FORMAT: backstage.read,
}
_RECOGNIZERS: dict[str, Callable[[Any], bool]] = {
    openslo.FORMAT: openslo.is_ours,
    sloth.FORMAT: sloth.is_ours,
    backstage.FORMAT: backstage.is_ours,
}


def read(text: str | bytes, source_format: str = "") -> Contents:
    """All that a file says. Raises NotReadable.

    source_format : one of READERS; guessed from the first object if it is empty
    """
    raw = text if isinstance(text, str) else text.decode("utf-8", "replace")
    if source_format == backstage.FORMAT or (not source_format and backstage.GROUP in raw):
        backstage.refuse_skeleton(raw)
    found = documents.load(text)
    if not found:
        raise NotReadable(_("There is nothing in it."), hint=_("Choose a file, or paste its text."))
    return READERS[source_format or guess(found)](found)


def guess(found: list[Document]) -> str:
    """The format by what the objects call themselves. Raises NotReadable."""
    for document in found:
        value = document.value
        if isinstance(value, dict) and value.get("kind") == "List":
            value = value.get("items")
        for each in value if isinstance(value, list) else [value]:
            for name, recognizes in _RECOGNIZERS.items():
                if recognizes(each):
                    return name
    raise NotReadable(
        _(
            "What format this is can't be told: no object has an apiVersion of OpenSLO, Sloth or "
            "Backstage."
        ),
        hint=_("Choose the format, or add the apiVersion."),
    )
