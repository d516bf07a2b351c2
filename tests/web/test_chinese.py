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
SAME = re.compile(
    r"""(debtreg|DEBT|ROI|SLOs?|SLI|SLA|SRE|API|CSV|XLSX?|YAML|JSON|UTF|PromQL|Prometheus|OpenSLO
    |Sloth|Backstage|Shapley|Kaplan|Meier|Jira|HTTP|https?|Bearer|PERT|English|Markdown|xlsx?|ods|csv
    |CNY|USD|UTC|GMT|[kMG]i?B|min|ms|Shift|Cookie|Web|Kaplan|Meier|none|tag|metric|target|scope
    |penalty_clause|window|slas|id|apiVersion|le|slo|at|seconds|good|total|slug|p\d*
    |manage|py|sign_policies|import_catalog|SECRET_KEY(_FALLBACKS)?|env|example)""",
    re.VERBOSE,
)
# What help texts give as examples.
EXAMPLES = re.compile(
    r"tag:legacy|p99_response_time|availability|error_rate|\w+-api → \w+-service"
    r"|checkout-availability|Asia/Shanghai|https://prometheus.example.org|production|https?\b"
)
# Drawn for developers; what is stored, or set in the environment; what scoring says in refusing.
OTHERS = ("style guide", "audit", "settings", "refused penalty")
SHOWN = ("aria-label", "title", "placeholder", "data-label", "alt", "data-copied")


class Texts(HTMLParser):
    """What a page says: texts, and attributes that are read out; not what code and fields hold."""

    SILENT = ("script", "style", "code", "pre", "textarea", "kbd")

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._tag = ""  # the silent one that one is inside of
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if not self._depth and (tag in self.SILENT or values.get("lang") == "en"):
            self._tag = tag
        self._depth += tag == self._tag
        self.said += [value for name in SHOWN if (value := values.get(name))]

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == self._tag
        if not self._depth:
            self._tag = ""

    def handle_data(self, data: str) -> None:
        if not self._depth and data.strip():
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
        text = EXAMPLES.sub(" ", " ".join(said.split()))
        for value in known:
            if value in text:
                text = text.replace(value, " ")
        words = re.findall(r"[A-Za-z_]{3,}|\b[a-z]{2}\b", text)
        if not all(map(SAME.fullmatch, words)):
            left.append(said)
    return left


def test_no_page_in_chinese_has_english_on_it(
    as_role: Callable[[str], Client], company: Company
) -> None:
    client = as_role(Role.ADMIN)
    pages = paths(company)
    company.people[Role.ADMIN].language = "zh-hans"
    company.people[Role.ADMIN].save()
    # Names of filters, and what was typed into them.
    known = [*stored(), "min_roi", "team", "nobody", "much"]
    found = {}
    for name, path in pages.items():
        if name in OTHERS:
            continue
        response = client.get(path)
        assert response.status_code < 500, path
        assert response.headers["Content-Language"] == "zh-hans"
        if left := english(response.text, known):
            found[name] = sorted(set(left))
    assert not found, "\n".join(f"{name}: {text}" for name in found for text in found[name])
