"""What OpenSLO v1 does not allow travels in an annotation, so that nothing is lost on the way.

The annotation is JSON: `parts`, pairs of a path and what stood there, in the order in which they
were taken out; or `format` and `document` of an SLO that was read of another format.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any

from debtreg.formats.entries import Item, mapping, pruned, text_of
from debtreg.formats.openslo_rules import breaches

FORMAT = "openslo"
OURS = "debtreg.io"
KEPT = f"{OURS}/kept"
_OTHERS = ("sloth",)  # formats whose SLOs travel in an annotation
_MOST_REMOVALS = 200
# What reading an annotation raises that only looks like ours.
NOT_OURS = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError)


# --- In -------------------------------------------------------------------------------------------


def take_ours(annotations: dict[str, Any]) -> dict[str, str]:
    """Our annotations by their names without the domain, taken out of the others."""
    names = [name for name in annotations if name.startswith(f"{OURS}/")]
    return {name.removeprefix(f"{OURS}/"): text_of(annotations.pop(name)) for name in names}


def put_back(item: Item) -> None:
    """Put what travelled in an object's annotation back in its places."""
    metadata = mapping(item.value.get("metadata"))
    annotations = mapping(metadata.get("annotations"))
    if not (text := text_of(annotations.get(KEPT))):
        return
    value = deepcopy(item.value)
    del value["metadata"]["annotations"][KEPT]
    if not value["metadata"]["annotations"]:
        del value["metadata"]["annotations"]
    try:
        for path, part in reversed(json.loads(text)["parts"]):
            _put(value, path, part)
        name = str(value["metadata"]["name"])
    except NOT_OURS:
        say_unreadable(item)
        return
    item.value, item.name = value, name
    item.scrub(value)


def say_unreadable(item: Item) -> None:
    item.say(
        "warning",
        f"metadata.annotations.{KEPT}",
        "What is kept here can't be read. It stays as text.",
    )


def unpacked(text: str, kept: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Format and kept document with what an annotation of ours adds. Raises what JSON does, and
    what shapes do that are none of ours."""
    packed = json.loads(text)
    if packed.get("format") in _OTHERS:
        return packed["format"], {**packed["document"]}
    for name in ("metadata", "spec"):
        kept.setdefault(name, {})
    for path, value in reversed(packed["parts"]):
        _put(kept, path, value)
    return FORMAT, pruned(kept)


def _put(owner: Any, path: Sequence[str | int], value: Any) -> None:
    """Put a value back in its place, making the mappings and lists on the way."""
    for part, following in pairwise(path):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(part, int):
            if part == len(owner):
                owner.append({})
            owner = owner[part]
        else:
            owner = owner.setdefault(part, empty)
    if isinstance(path[-1], int):
        owner.insert(path[-1], value)
    else:
        owner[path[-1]] = value


# --- Out ------------------------------------------------------------------------------------------


def take_forbidden(
    kept: dict[str, Any], fill: Callable[[dict[str, Any]], dict[str, Any]]
) -> list[Any] | None:
    """Take out of `kept` what v1 does not allow; pairs of path and value, the first one first.

    fill : makes the whole object of `kept`. None if it breaks rules whatever is taken out.
    """
    parts: list[Any] = []
    for _ in range(_MOST_REMOVALS):
        problems = breaches(fill(kept))
        if not problems:
            return parts
        if (part := _take_worst(kept, [problem.path for problem in problems])) is None:
            break
        parts.append(part)
    parts.append([[], deepcopy(kept)])
    kept.clear()
    return None if breaches(fill(kept)) else parts


def _take_worst(kept: dict[str, Any], paths: list[tuple[str | int, ...]]) -> list[Any] | None:
    """What stands at one of these places, the deepest first; else what one of them is within."""
    for path in sorted(paths, key=len, reverse=True):
        found, value = taken(kept, path)
        if found:
            return [list(path), value]
    for path in paths:
        while path := path[:-1]:
            found, value = taken(kept, path)
            if found:
                return [list(path), value]
    return None


def taken(owner: Any, path: Sequence[str | int]) -> tuple[bool, Any]:
    """Take what is at a path out of its place; False if nothing is there."""
    if not path:
        return False, None
    for part in path[:-1]:
        if not _has(owner, part):
            return False, None
        owner = owner[part]
    last = path[-1]
    return (True, owner.pop(last)) if _has(owner, last) else (False, None)


def _has(owner: Any, part: str | int) -> bool:
    if isinstance(owner, list):
        return isinstance(part, int) and part < len(owner)
    return isinstance(owner, dict) and part in owner
