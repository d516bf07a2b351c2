"""What is read of a file in any format: SLOs, services, teams, dependencies, and findings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from debtreg.formats.documents import Document
from debtreg.formats.scrub import scrub

Level = Literal["error", "warning", "note"]
LONGEST_NAME = 63
# Said of a field by a format's rules alone; what else is said of the field is worth more.
MISSING = "This is missing."
# Names of a mapping's fields -> the same of what is within each; None: anything may be in it.
Known = Mapping[str, Any] | None
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
PLACES = Decimal(1).scaleb(-11)  # as the database keeps objectives


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know of a file.

    level : error, the entry is not taken; warning, it is taken, but not as it stands or against
        the format's rules; note, it is kept without being used
    document, line : from 1
    field : path such as `spec.objectives[0].target`; empty for the whole entry
    """

    level: Level
    document: int
    line: int
    kind: str
    name: str
    field: str
    message: str
    hint: str = ""

    @property
    def place(self) -> tuple[int, int, str]:
        return self.document, self.line, self.field


@dataclass
class Item:
    """One object of a file, and where findings about it go.

    path : of the object in its document; empty unless it is one of a list
    """

    document: Document
    path: str
    value: dict[str, Any]
    findings: list[Finding]
    kind: str = ""
    name: str = ""

    def say(self, level: Level, where: str, message: str, hint: str = "") -> None:
        path = f"{self.path}.{where}".strip(".") if where else self.path
        line = self.document.line_of(path)
        self.findings.append(
            Finding(level, self.document.number, line, self.kind, self.name, where, message, hint)
        )

    def say_unknown(self, known: Known, whose: str) -> None:
        """Report the fields that a format does not know; see `unknown`."""
        for where in unknown(self.value, known):
            self.say("note", where, f"{whose} knows no such field. It is kept, and written back.")

    def scrub(self, value: Any, where: str = "") -> None:
        """Take out of a part of it what people log in with, and say so of each place; in place."""
        for path in scrub(value, where):
            self.say(
                "warning",
                path,
                "This looks like a secret and is not stored.",
                "Give it to the connection, which keeps it encrypted.",
            )


@dataclass
class SloEntry:
    """An SLO as a file has it; item is None for one that is to be written.

    values : columns of the stored SLO
    service, connection, guarantee : what these are called there; empty where nothing is said
    kept : what the file says and no column holds, in the format's own shape
    """

    item: Item | None
    name: str
    service: str
    values: dict[str, Any]
    source_format: str
    connection: str = ""
    guarantee: str = ""
    kept: dict[str, Any] = field(default_factory=dict)


@dataclass
class ServiceEntry:
    """A service. team : slug of the team that owns it, empty where the file does not say."""

    item: Item
    slug: str
    name: str = ""
    team: str = ""
    aliases: tuple[str, ...] = ()


@dataclass
class TeamEntry:
    item: Item
    slug: str
    name: str = ""


@dataclass
class DependencyEntry:
    """The consumer calls the provider. via : what the file names between them, as an API."""

    item: Item
    consumer: str
    provider: str
    where: str
    via: str = ""


@dataclass
class KeptEntry:
    """An object that is kept as it stands."""

    kind: str
    name: str
    value: dict[str, Any]


@dataclass
class Contents:
    """All that a file says."""

    source_format: str
    slos: list[SloEntry] = field(default_factory=list)
    services: list[ServiceEntry] = field(default_factory=list)
    teams: list[TeamEntry] = field(default_factory=list)
    dependencies: list[DependencyEntry] = field(default_factory=list)
    kept: list[KeptEntry] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def tidy(self) -> None:
        """Findings in the order of the file, each of them once, and only the worst of a field."""
        refused = {each.place for each in self.findings if each.level == "error"}
        explained = {each.place for each in self.findings if each.message != MISSING}
        once = dict.fromkeys(
            each
            for each in self.findings
            if each.level == "error"
            or not (each.place in refused or (each.message == MISSING and each.place in explained))
        )
        self.findings[:] = sorted(once, key=lambda each: (each.document, each.line, each.field))


def items(documents: list[Document], findings: list[Finding]) -> Iterator[Item]:
    """The objects of all documents, without secrets.

    A document may be one object, a list of them, or a Kubernetes List.
    """
    for document in documents:
        for path, value in _objects(document.value, ""):
            item = Item(document, path, {}, findings)
            if not isinstance(value, dict):
                item.say("error", "", "This is no mapping, but a text, a number or a list.")
                continue
            item.value = value
            item.kind = str(value.get("kind") or "")
            metadata = value.get("metadata")
            if isinstance(metadata, dict):
                item.name = str(metadata.get("name") or "")
            item.scrub(value)
            yield item
        for path in document.repeated:
            Item(document, "", {}, findings).say(
                "warning", path, "This stands here twice; the last one counts.", "Take one out."
            )


def _objects(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value.get("kind") == "List":
        value, path = value.get("items") or [], f"{path}.items".strip(".")
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield f"{path}[{number}]", each
    else:
        yield path, value


def name_of(text: str) -> str:
    """A name as RFC 1123 has it, as near to the text as can be; empty if nothing is left of it.

    >>> name_of("Checkout_Availability.99"), name_of("可用性")
    ('checkout-availability-99', '')
    """
    plain = unicodedata.normalize("NFKD", text).lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_NAME].strip("-")


def number_of(value: Any) -> Decimal | None:
    """The number that a value or its text is; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    text = str(value).strip()
    if not re.fullmatch(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,2})?", text, re.ASCII):
        return None
    return Decimal(text)


def mapping(value: Any) -> dict[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def text_of(value: Any) -> str:
    """A text, or the text of a number; anything else is none."""
    if isinstance(value, str):
        return value.strip()
    return "" if value is None or isinstance(value, bool | dict | list) else str(value)


def unknown(value: Any, known: Known, path: str = "") -> Iterator[str]:
    """Paths of the fields that are not among the known ones. All elements of a list are alike."""
    if known is None:
        return
    if isinstance(value, dict):
        for name, each in value.items():
            inner = f"{path}.{name}".strip(".")
            if name in known:
                yield from unknown(each, known[name], inner)
            else:
                yield inner
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from unknown(each, known, f"{path}[{number}]")


def pruned(value: Any) -> Any:
    """Without mappings and lists in which nothing is left."""
    if isinstance(value, Mapping):
        found = {key: pruned(each) for key, each in value.items()}
        return {key: each for key, each in found.items() if each not in ({}, [])}
    if isinstance(value, list):
        found_ = [pruned(each) for each in value]
        return found_ if any(each not in ({}, []) for each in found_) else []
    return value


_LE = re.compile(r"""\ble\s*=~?\s*["']([0-9]+(?:\.[0-9]+)?)["']""")


def threshold_of(query: str) -> Decimal | None:
    """Milliseconds of the bucket that a query asks a histogram for, if its name says the unit."""
    found = _LE.search(query)
    if not found:
        return None
    number = Decimal(found[1])
    if re.search(r"_seconds(_bucket)?\b", query):
        return number * 1000
    return number if re.search(r"_(ms|milliseconds?)(_bucket)?\b", query) else None
