"""The catalogues of the pages' languages: `python -m debtreg.translations` refreshes them.

What is marked for translation in the code and the templates is written into each language's .po,
which people translate, and that into the .mo which Django reads. Babel does it: nobody needs the
tools of GNU gettext.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
SOURCES = ("debtreg/**/*.py", "templates/**/*.html")
# Babel knows gettext's own functions; Django has a lazy one beside each.
_KEYWORDS = {f"{name}_lazy": said for name, said in DEFAULT_KEYWORDS.items()} | DEFAULT_KEYWORDS
_KEYWORDS |= {"gettext_noop": None}
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)


def _python(path: Path) -> bytes:
    """The file as Python; of a template what Django takes its texts for."""
    source = path.read_text("utf-8")
    if path.suffix == ".html":
        # Only calls are left over, indented as the HTML was, which Python would not have.
        source = _INDENT.sub("", templatize(source, origin=str(path)))
    return source.encode()


def marked() -> Catalog:
    """All texts that are marked for translation, with the files that have them."""
    found = Catalog(fuzzy=False)
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            place = str(path.relative_to(ROOT))
            for _line, text, _comments, context in extract(
                "python", io.BytesIO(_python(path)), _KEYWORDS
            ):
                found.add(text, locations=[(place, 0)], context=context)
    return found


def catalogues() -> list[Path]:
    return sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))


def read(path: Path) -> Catalog:
    """A .po file, with the language that its folder names."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3])


def refreshed(path: Path, texts: Catalog) -> Catalog:
    """The .po with these texts: new ones without a translation, old ones gone."""
    catalogue = read(path)
    catalogue.update(texts, no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    return catalogue


def as_po(catalogue: Catalog) -> bytes:
    file = io.BytesIO()
    write_po(file, catalogue, width=100, sort_output=True, include_lineno=False)
    return file.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def is_translated(message: Message) -> bool:
    """True if every form of it is; those are as many as the language has for plurals."""
    said = message.string
    return bool(said) if isinstance(said, str) else bool(said) and all(said or ())


def main() -> int:
    texts = marked()
    for path in catalogues():
        catalogue = refreshed(path, texts)
        path.write_bytes(as_po(catalogue))
        path.with_suffix(".mo").write_bytes(as_mo(catalogue))
        missing = sum(not is_translated(each) for each in catalogue if each.id)
        sys.stdout.write(f"{path.relative_to(ROOT)}: {len(catalogue)} texts, {missing} to do\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
