"""What people log in with is not kept of a file, at whatever depth it stands and by any name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_INSIDE = re.compile(
    "secret|passw|passphrase|token|credential|bearer|authori[sz]ation|apikey|privatekey|accesskey"
)
_WORDS = {"auth", "key", "keys", "pwd", "pass", "header", "headers", "cookie", "cookies", "jwt"}
_HARMLESS = re.compile("(project|public|partition|sort|primary|foreign)keys?")
_SCHEME = re.compile(r"\s*(bearer|basic|digest)\s+\S|.*-----BEGIN [A-Z ]*PRIVATE KEY", re.I | re.S)
_USER = re.compile(r"(\b[a-z][a-z0-9+.-]*://)(?!git@)[^/?#\s\"'<>]*@", re.I)
_PARAMETER = re.compile(r"([?&;]([\w.-]+)=)[^&;#\s\"'<>]+")


def is_secret(name: str) -> bool:
    """True for the name of something that people log in with: apiToken, pwd, X-Auth, headers."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name.rpartition("/")[2]).lower()
    words = re.sub(r"[^a-z0-9]+", " ", words)
    joined = words.replace(" ", "")
    if _INSIDE.search(joined):
        return True
    return not _WORDS.isdisjoint(words.split()) and not _HARMLESS.search(joined)


def scrub(value: Any, path: str = "") -> Iterator[str]:
    """Take secrets out of a document, in place; yields the path of each."""
    if isinstance(value, dict):
        for name, each in list(value.items()):
            inner = f"{path}.{name}".strip(".")
            if each is None or isinstance(each, bool):
                continue
            if is_secret(name) or (name == "value" and _is_named_secret(value)):
                del value[name]
                yield inner
            elif isinstance(each, str):
                yield from _scrub_text(value, name, inner)
            else:
                yield from scrub(each, inner)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            if isinstance(each, str):
                yield from _scrub_text(value, number, f"{path}[{number}]")
            else:
                yield from scrub(each, f"{path}[{number}]")


def _is_named_secret(pair: dict[str, Any]) -> bool:
    """Of a pair such as `name: Authorization, value: …`."""
    return isinstance(name := pair.get("name"), str) and is_secret(name)


def _scrub_text(owner: Any, place: Any, path: str) -> Iterator[str]:
    text = owner[place]
    left = "" if _SCHEME.match(text) else text
    if "://" in left:
        left = _USER.sub(r"\1", left)
        left = _PARAMETER.sub(lambda found: found[1] if is_secret(found[2]) else found[0], left)
    if left != text:
        owner[place] = left
        yield path
