"""Pages in Chinese have no English left but names, units and what is stored."""

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

from django.apps import apps
from django.test import Client

from debtreg.models import Role
from tests.browser.test_every_page import paths
from tests.web.company import Company

# Names, units, words of formats and formulas: they are the same in Chinese.
SAME = set(
    """
    debtreg DEBT ROI SLO SLOs SLI SLA SRE API CSV XLSX YAML JSON UTF PromQL Prometheus OpenSLO Sloth
    Backstage Shapley Kaplan Meier Jira HTTP GET POST Bearer Token PERT English Markdown xlsx xls
    ods csv CNY USD UTC GMT kB MB GB min Shift none tag metric target scope penalty_clause window
    slas id apiVersion le
    """.split()
)
SHOWN = ("aria-label", "title", "placeholder", "data-label", "alt", "data-copied")


class Texts(HTMLParser):
    """What a page says: texts, and attributes that are read out; not what code and fields hold."""

    SILENT = ("script", "style", "code", "pre", "textarea", "kbd")

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in self.SILENT or values.get("lang") == "en":
            self._silent += 1
        self.said += [value for name in SHOWN if (value := values.get(name))]

    def handle_endtag(self, tag: str) -> None:
        if tag in self.SILENT or (self._silent and tag == "button"):
            self._silent = max(0, self._silent - 1)

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.said.append(data.strip())


def stored() -> list[str]:
    """Every text in the database, the longest first: what people wrote, and names."""

    def of(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield " ".join(value.split())
        elif isinstance(value, dict):
            for key, inner in value.items():
                yield str(key)
                yield from of(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                yield from of(inner)

    found = {
        text
        for model in apps.get_app_config("debtreg").get_models()
        for row in model._default_manager.values()
        for value in row.values()
        for text in of(value)
    }
    return sorted((text for text in found if len(text) > 1), key=len, reverse=True)


def english(page: str, known: list[str]) -> list[str]:
    parser = Texts()
    parser.feed(page)
    left = []
    for said in parser.said:
        text = " ".join(said.split())
        for value in known:
            if value in text:
                text = text.replace(value, " ")
        words = re.findall(r"[A-Za-z_]{3,}|\b[a-z]{2}\b", text)
        if any(word not in SAME and not re.fullmatch(r"[ph]\d*|ms", word) for word in words):
            left.append(said)
    return left


def test_no_page_in_chinese_has_english_on_it(
    as_role: Callable[[str], Client], company: Company
) -> None:
    client = as_role(Role.ADMIN)
    pages = paths(company)
    company.people[Role.ADMIN].language = "zh-hans"
    company.people[Role.ADMIN].save()
    known = stored()
    found = {}
    for name, path in pages.items():
        response = client.get(path)
        assert response.status_code < 500, path
        assert response.headers["Content-Language"] == "zh-hans"
        if left := english(response.text, known):
            found[name] = sorted(set(left))
    assert found == {}
