"""The catalogues: complete, of what the code says now, and compiled."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from debtreg import translations

PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]")
PATHS = translations.catalogues()
each_language = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.parts[-3])


def test_each_language_but_that_of_the_code_has_a_catalogue() -> None:
    languages = {translation.to_locale(code) for code, _name in settings.LANGUAGES}
    assert {path.parts[-3] for path in PATHS} == languages - {settings.LANGUAGE_CODE}


@each_language
def test_every_text_is_translated(path: Path) -> None:
    """What fails here is new or was changed: `make messages`, then translate what it left empty."""
    said = translations.read(path)
    wanting = []
    for text in translations.marked():
        found = said.get(text.id if text.id else "", text.context)
        if text.id and (found is None or found.fuzzy or not translations.is_translated(found)):
            wanting.append(text.id)
    assert wanting == []


@each_language
def test_every_translation_fills_in_the_same_as_its_text(path: Path) -> None:
    wrong = []
    for message in translations.read(path):
        texts = message.id if isinstance(message.id, tuple) else (message.id,)
        said = message.string if isinstance(message.string, tuple) else (message.string,)
        # The last form is that of many, which fills in the number.
        wanted = sorted(set(PLACEHOLDER.findall(texts[-1])))
        if any(sorted(set(PLACEHOLDER.findall(each))) != wanted for each in said):
            wrong.append(message.id)
        # What is filled in with % has each other sign twice, and so has its translation.
        doubled = "%%" in texts[-1] or bool(wanted)
        if doubled and any("%" in PLACEHOLDER.sub("", s).replace("%%", "") for s in said):
            wrong.append(message.id)
        if not doubled and any("%%" in each for each in said):
            wrong.append(message.id)
    assert wrong == []


@each_language
def test_a_catalogue_has_no_more_than_the_code_and_is_compiled(path: Path) -> None:
    catalogue = translations.refreshed(path, translations.marked())
    assert path.read_bytes() == translations.as_po(catalogue), "run `make messages`"
    assert path.with_suffix(".mo").read_bytes() == translations.as_mo(catalogue)


def test_texts_of_templates_and_code_are_found() -> None:
    found = translations.marked()
    for text in ("Log a debt", "Latency", "Critical"):
        assert found.get(text), text
    assert found.get("%(n)s day").id == ("%(n)s day", "%(n)s days")


def test_a_new_text_waits_for_its_translation(tmp_path: Path) -> None:
    path = tmp_path / "zh_Hans" / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    path.write_bytes(PATHS[0].read_bytes())
    texts = translations.marked()
    texts.add("Something that nobody has said before")
    texts.delete("Log a debt")
    catalogue = translations.refreshed(path, texts)
    new = catalogue.get("Something that nobody has said before")
    assert not new.fuzzy
    assert not translations.is_translated(new)
    assert catalogue.get("Log a debt") is None
    assert translations.is_translated(catalogue.get("Log out"))
