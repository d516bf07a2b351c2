"""Backstage's catalog-info.yaml: components and resources as services, groups as teams, relations
as dependencies.

Nothing is ever fetched: `$text`, `$json` and `$yaml` stay as they stand, and are reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from debtreg.formats import documents
from debtreg.formats.documents import Document, NotReadable
from debtreg.formats.entries import (
    Contents,
    DependencyEntry,
    Item,
    KeptEntry,
    Known,
    ServiceEntry,
    TeamEntry,
    items,
    mapping,
    text_of,
)

FORMAT = "backstage"
GROUP = "backstage.io/"
DEFAULT = "default"
_REF = re.compile(r"(?:([a-z]+):)?(?:([a-z0-9\-_.]+)/)?([a-z0-9\-_.]+)\Z")
_SKELETON = re.compile(r"\$\{\{|\{%[-\s]")
_RUN = ("component", "resource")  # kinds that run, and so are services here
_OUTPUT = ("relations", "status")
# What an entity's spec may say of others, and the kind that is meant where none is written.
_RELATIONS = {"dependsOn": "", "dependencyOf": "", "consumesApis": "api", "providesApis": "api"}

_METADATA: Known = {
    **dict.fromkeys(("name", "namespace", "uid", "etag", "title", "description", "tags")),
    **dict.fromkeys(("labels", "annotations")),
    "links": dict.fromkeys(("url", "title", "icon", "type")),
}
_PROFILE = dict.fromkeys(("displayName", "email", "picture"))
# Fields of the spec by kind, in small letters; of other kinds anything is known.
_SPECS: dict[str, dict[str, Any]] = {
    "component": dict.fromkeys(
        ("type", "lifecycle", "owner", "system", "subcomponentOf", *_RELATIONS)
    ),
    "api": dict.fromkeys(("type", "lifecycle", "owner", "system", "definition")),
    "resource": dict.fromkeys(("type", "owner", "system", "dependsOn", "dependencyOf")),
    "system": dict.fromkeys(("type", "owner", "domain")),
    "domain": dict.fromkeys(("type", "owner", "subdomainOf")),
    "group": {**dict.fromkeys(("type", "parent", "children", "members")), "profile": _PROFILE},
    "user": {"memberOf": None, "profile": _PROFILE},
    "location": dict.fromkeys(("type", "target", "targets", "presence")),
}


@dataclass(frozen=True)
class Ref:
    """Names an entity: `[kind:][namespace/]name`, in lower case."""

    kind: str
    namespace: str
    name: str

    @property
    def slug(self) -> str:
        """What a service or team is called here: the namespace goes before it unless it is usual.

        Dots are no part of a slug.
        """
        name = self.name if self.namespace == DEFAULT else f"{self.namespace}-{self.name}"
        return name.replace(".", "-")[:80]

    def __str__(self) -> str:
        return f"{self.kind}:{self.namespace}/{self.name}"


def is_ours(value: Any) -> bool:
    """True for an object that calls itself one of Backstage's."""
    return isinstance(value, dict) and str(value.get("apiVersion", "")).startswith(GROUP)


def refuse_skeleton(text: str) -> None:
    """Raises NotReadable for what the scaffolder has yet to fill in."""
    for number, line in enumerate(text.splitlines(), start=1):
        if _SKELETON.search(line):
            raise NotReadable(
                _(
                    "Line %(number)s: this is a skeleton of Backstage's scaffolder, with places "
                    "that are to be filled in: %(line)s"
                )
                % {"number": number, "line": line.strip()[:60]},
                hint=_("Import the catalog-info.yaml that was made of it."),
            )


def ref_of(text: Any, kind: str = "", namespace: str = DEFAULT) -> Ref | None:
    """What a text or a mapping with kind, namespace and name refers to; None if it is no reference.

    kind : what is meant where none is written; "" for relations that have to say it
    """
    if isinstance(text, dict):
        parts = (text.get("kind"), text.get("namespace"), text.get("name"))
        kind_, namespace_, name = (text_of(each).lower() for each in parts)
        return Ref(kind_ or kind, namespace_ or namespace, name) if name else None
    match = _REF.match(text_of(text).lower())
    if not match or not (match[1] or kind):
        return None
    return Ref(match[1] or kind, match[2] or namespace, match[3])


def read(found: list[Document]) -> Contents:
    """Services, teams and dependencies of a catalog; all entities are kept as they stand."""
    contents = Contents(FORMAT)
    entities: dict[Ref, Item] = {}
    for item in items(found, contents.findings):
        if ref := _identify(item):
            if ref in entities:
                item.say("warning", "metadata.name", f"{ref} stands here twice; the last counts.")
            entities[ref] = item
    providers = _providers(entities)
    for ref, item in entities.items():
        _look_at(item)
        contents.kept.append(KeptEntry(item.kind, f"{ref.namespace}/{ref.name}", item.value))
        if ref.kind in _RUN:
            contents.services.append(_service(ref, item, providers))
            contents.dependencies.extend(_dependencies(ref, item, providers))
        elif ref.kind == "group":
            title = text_of(mapping(item.value.get("metadata")).get("title"))
            profile = mapping(mapping(item.value.get("spec")).get("profile"))
            name = text_of(profile.get("displayName")) or title or item.name
            contents.teams.append(TeamEntry(item, ref.slug, name))
        elif ref.kind == "location":
            item.say("note", "spec.targets", "What a Location names is not fetched.")
    contents.tidy()
    return contents


def _identify(item: Item) -> Ref | None:
    version = text_of(item.value.get("apiVersion"))
    if not version.startswith(GROUP):
        item.say("error", "apiVersion", f"'{version[:60]}' is none of Backstage's versions.")
        return None
    metadata = mapping(item.value.get("metadata"))
    ref = ref_of(item.name, item.kind.lower() or "?")
    if not item.kind or ref is None or ":" in item.name or "/" in item.name:
        item.say(
            "error",
            "metadata.name" if item.kind else "kind",
            f"'{item.name[:60]}' of kind '{item.kind[:40]}' can't be referred to.",
            "An entity has a kind, and a name of letters, digits, hyphens, dots, underscores.",
        )
        return None
    namespace = text_of(metadata.get("namespace")).lower() or DEFAULT
    return Ref(item.kind.lower(), namespace, ref.name)


def _look_at(item: Item) -> None:
    """Report what is kept and not used."""
    for name in _OUTPUT:
        if item.value.pop(name, None):
            item.say("note", name, "Backstage works this out itself: it is not read.")
    item.say_unknown(
        {
            **dict.fromkeys(("apiVersion", "kind")),
            "metadata": _METADATA,
            "spec": _SPECS.get(item.kind.lower()),
        },
        "Backstage",
    )
    for where in _includes(item.value, ""):
        item.say(
            "note",
            where,
            "What this refers to is not fetched; the reference is kept.",
            "Nothing here follows addresses in files.",
        )


def _includes(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            inner = f"{path}.{name}".strip(".")
            if name.startswith("$"):
                yield inner
            else:
                yield from _includes(each, inner)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _includes(each, f"{path}[{number}]")


def _related(ref: Ref, item: Item, relation: str) -> Iterator[tuple[str, Ref]]:
    """Where a relation stands, and to whom it goes."""
    several = mapping(item.value.get("spec")).get(relation) or []
    for number, text in enumerate(several if isinstance(several, list) else [several]):
        where = f"spec.{relation}[{number}]"
        found = ref_of(text, _RELATIONS[relation], ref.namespace)
        if found:
            yield where, found
        else:
            item.say(
                "warning",
                where,
                f"'{text_of(text)[:80]}' names nothing: the relation is left out.",
                "Write component:name or resource:name."
                if not _RELATIONS[relation]
                else "Write the name of an API.",
            )


def _providers(entities: dict[Ref, Item]) -> dict[Ref, list[Ref]]:
    """API -> the components that provide it."""
    found: dict[Ref, list[Ref]] = {}
    for ref, item in entities.items():
        if ref.kind == "component":
            several = mapping(item.value.get("spec")).get("providesApis") or []
            for text in several if isinstance(several, list) else [several]:
                if api := ref_of(text, "api", ref.namespace):
                    found.setdefault(api, []).append(ref)
    return found


def _service(ref: Ref, item: Item, providers: dict[Ref, list[Ref]]) -> ServiceEntry:
    metadata, spec = mapping(item.value.get("metadata")), mapping(item.value.get("spec"))
    owner = ref_of(spec.get("owner"), "group", ref.namespace)
    if owner is None or owner.kind != "group":
        item.say(
            "warning",
            "spec.owner",
            f"'{text_of(spec.get('owner'))[:60]}' is no group: the service has no team by it.",
            "Name the group that owns it.",
        )
    team = owner.slug if owner and owner.kind == "group" else ""
    # Contracts name the API; who alone provides it is meant.
    apis = [api.slug for api, several in providers.items() if several == [ref]]
    names = [name for name in dict.fromkeys([*apis, item.name]) if name.lower() != ref.slug]
    return ServiceEntry(item, ref.slug, text_of(metadata.get("title")), team, tuple(names))


def _dependencies(
    ref: Ref, item: Item, providers: dict[Ref, list[Ref]]
) -> Iterator[DependencyEntry]:
    """Of all that it calls: what it depends on, and who provides the APIs that it consumes."""
    for relation in ("dependsOn", "dependencyOf"):
        for where, other in _related(ref, item, relation):
            if other.kind in _RUN:
                pair = (ref, other) if relation == "dependsOn" else (other, ref)
                yield DependencyEntry(item, pair[0].slug, pair[1].slug, where)
            elif other.kind == "api":
                yield from _through(ref, item, where, other, providers)
            else:
                item.say("note", where, f"{other} runs nowhere: it is kept, and no dependency.")
    for where, api in _related(ref, item, "consumesApis"):
        yield from _through(ref, item, where, api, providers)
    list(_related(ref, item, "providesApis"))  # says what names nothing


def _through(
    ref: Ref, item: Item, where: str, api: Ref, providers: dict[Ref, list[Ref]]
) -> Iterator[DependencyEntry]:
    several = providers.get(api, [])
    if several == [ref]:
        item.say("note", where, f"It provides {api.name} itself: that is no dependency.")
    for provider in several:
        if provider != ref:
            yield DependencyEntry(item, ref.slug, provider.slug, where, via=api.name)
    if not several:
        # A service of the catalog may be known by the API's name.
        yield DependencyEntry(item, ref.slug, api.slug, where, via=api.name)


def write(kept: Iterable[KeptEntry]) -> str:
    """The entities that were imported, each as it stood."""
    return documents.dump(*(each.value for each in kept))
