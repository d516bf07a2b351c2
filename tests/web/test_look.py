"""The style sheets: no rule for what no page has, and a first load that is light."""

import ast
import gzip
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client

STYLES = Path(settings.BASE_DIR, "debtreg/static/debtreg")
TEMPLATES = Path(settings.BASE_DIR, "templates")
CODE = list(Path(settings.BASE_DIR, "debtreg").rglob("*.py"))

# Classes that are put together of a word and a state, or that a library gives.
BUILT = ("bar-", "circuit-", "plot-", "m-", "notice-", "errorlist", "htmx-request")


def _classes() -> set[str]:
    css = "".join(sheet.read_text() for sheet in STYLES.glob("*.css"))
    css = re.sub(r'/\*.*?\*/|url\("[^"]*"\)', "", css, flags=re.DOTALL)
    heads = "\n".join(re.findall(r"([^{}]+)\{", css))
    return set(re.findall(r"\.([A-Za-z_][\w-]*)", heads))


def test_each_class_of_the_style_sheets_is_used() -> None:
    pages = "".join(page.read_text() for page in TEMPLATES.rglob("*.html"))
    # In a template a class stands in an attribute or a block, in code in a text.
    named = re.findall(r"class=(\"(?:[^\"{]|\{[^}]*\}+)*\"|'[^']*')", pages)
    named += re.findall(r"main_class %\}([\w ]+)", pages)
    named += [
        node.value
        for file in CODE
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    named += [script.read_text() for script in STYLES.glob("*.js")]
    used = set(re.findall(r"[\w-]+", " ".join(named)))
    assert {name for name in _classes() - used if not name.startswith(BUILT)} == set()


@pytest.mark.django_db
def test_the_first_load_is_less_than_250_kilobytes(client: Client) -> None:
    page = client.get("/login/").content
    files = re.findall(rb'(?:href|src)="/static/([^"]+)"', page)
    assert len(files) > 4
    weights = [len(gzip.compress(page))]
    for file in files:
        found = finders.find(file.decode())
        assert found is not None
        weights.append(len(gzip.compress(Path(found).read_bytes())))
    assert sum(weights) < 250_000, dict(zip(["page", *files], weights, strict=True))
