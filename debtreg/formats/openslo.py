"""OpenSLO: read leniently in all versions seen, written strictly as v1.

What columns can't hold is kept in the document's own shape and written back; see openslo_kept.
"""

from __future__ import annotations

from typing import Any

from debtreg.formats import openslo_kept, openslo_rules, openslo_slo
from debtreg.formats.documents import Document
from debtreg.formats.entries import (
    Contents,
    Item,
    KeptEntry,
    ServiceEntry,
    items,
    mapping,
    name_of,
    pruned,
    text_of,
)
from debtreg.formats.openslo_versions import bring_to_v1

FORMAT = openslo_kept.FORMAT


def is_ours(value: Any) -> bool:
    """True for an object that calls itself OpenSLO."""
    return isinstance(value, dict) and str(value.get("apiVersion", "")).startswith("openslo")


def read(found: list[Document]) -> Contents:
    """All that OpenSLO documents say, with what a person should know of them."""
    contents = Contents(FORMAT)
    by_kind: dict[str, list[Item]] = {}
    for item in items(found, contents.findings):
        if _prepare(item):
            by_kind.setdefault(item.kind, []).append(item)
    for item in by_kind.get("Service", ()):
        _read_service(item, contents)
    indicators = openslo_slo.Indicators(by_kind.get("SLI", ()))
    for item in by_kind.get("SLO", ()):
        contents.slos.extend(openslo_slo.Reader(item, indicators).entries())
    for kind, several in by_kind.items():
        if kind in ("SLO", "Service"):
            continue
        for item in several:
            if kind == "SLI" and item.name in indicators.used:
                item.say("note", "", "It is written into the SLOs that name it.")
            else:
                contents.kept.append(KeptEntry(kind, item.name, item.value))
    contents.tidy()
    return contents


def _prepare(item: Item) -> bool:
    """Bring an object into v1's shape, and hold it against v1's rules; False if it is of no use."""
    if not bring_to_v1(item):
        return False
    if item.kind not in openslo_rules.KINDS:
        item.say(
            "error",
            "kind",
            f"'{item.kind[:60]}' is no kind of OpenSLO v1.",
            f"The kinds are {', '.join(openslo_rules.KINDS)}.",
        )
        return False
    for breach in openslo_rules.breaches(item.value):
        # How an SLO is called instead is said where it is read.
        is_renamed = item.kind == "SLO" and name_of(item.name) != item.name
        if not is_renamed or breach.where != "metadata.name":
            item.say("warning", breach.where, breach.message)
    if item.kind != "SLO":
        openslo_kept.put_back(item)
    if not name_of(item.name):
        item.say(
            "error",
            "metadata.name",
            f"'{item.name[:60]}' has nothing of which a name can be made.",
            "Give it a name of a to z, 0 to 9 and hyphens.",
        )
        return False
    return True


def _read_service(item: Item, contents: Contents) -> None:
    """The catalog holds what a service is called; all else is kept."""
    rest = pruned(item.value)
    metadata = mapping(rest.get("metadata"))
    title = text_of(metadata.pop("displayName", ""))
    contents.services.append(ServiceEntry(item, text_of(metadata.get("name")), title))
    head = {"apiVersion": rest["apiVersion"], "kind": "Service"}
    if rest != {**head, "metadata": {"name": metadata.get("name")}}:
        contents.kept.append(KeptEntry("Service", item.name, rest))
