"""The design system on one page: it shows every part, and is there where people develop."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as installed
from django.test import Client

from debtreg.actions import audit, demo
from debtreg.models import Role
from debtreg.web import styleguide

AsRole = Callable[[str], Client]


def test_it_is_there_in_development_and_in_the_demo_only(as_role: AsRole, settings: Any) -> None:
    client = as_role(Role.MEMBER)
    assert client.get("/styleguide/").status_code == 404
    settings.DEBUG = True
    assert client.get("/styleguide/").status_code == 200
    settings.DEBUG = False
    audit.record(demo.FILLED, "demo", by=None, kind="demo")
    assert client.get("/styleguide/").status_code == 200


@pytest.fixture
def page(as_role: AsRole, settings: Any) -> object:
    settings.DEBUG = True
    return as_role(Role.MEMBER).get("/styleguide/")


def test_it_shows_each_part_or_says_why_not(page: Any) -> None:
    parts = {part.name for part in Path(installed.BASE_DIR, "templates/parts").glob("*.html")}
    shown = {str(each.name).rpartition("/")[2] for each in page.templates if each.name}
    assert parts - shown == set(styleguide.NOT_SHOWN)


def test_it_shows_each_token_icon_and_mark(page: Any) -> None:
    text = page.text
    css = (styleguide.STYLES / "tokens.css").read_text()
    for token in set(re.findall(r"(--[\w-]+):", css)) - {"--font", "--mono"}:
        assert f"<code>{token}</code>" in text, token
    for name in styleguide.classes("m-"):
        assert f'class="mark m-{name}"' in text
    assert "priced" in styleguide.classes("m-")
    assert 'class="icon i-home"' in text
