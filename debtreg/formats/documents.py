"""YAML and JSON from anybody, read safely: the one place where such text is parsed.

Numbers with a point become Decimals, so that 0.1 stays a tenth. What looks like a date stays text,
and so does everything that only YAML 1.1 takes for something else: `yes`, `12:30`, `2022-01-01`.
So does `010`, which is 8 to some readers, 10 to others, and most often a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml
from django.utils.translation import gettext as _

from debtreg.errors import DebtregError

MOST_BYTES = 2 * 1024 * 1024
MOST_VALUES = 40_000
DEEPEST = 50
LONGEST_NUMBER = 60

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "tag:yaml.org,2002:str"
_TAGS = {
    "!",
    *(f"tag:yaml.org,2002:{name}" for name in ("bool", "float", "int", "null", "str")),
    *(f"tag:yaml.org,2002:{name}" for name in ("timestamp", "map", "seq")),
}
_WORDS = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_PADDED = re.compile(r"[-+]?0[0-9]")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?\Z")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class NotReadable(DebtregError):
    """Text that is not YAML, or more of it than is read."""


@dataclass
class Document:
    """One document of a file.

    number : from 1
    value : of dicts, lists, texts, Decimals, ints, bools and None
    lines : path such as `spec.objectives[0].target` -> line, from 1
    repeated : paths of keys that stand twice in one mapping; the last one counts
    """

    number: int
    line: int
    value: Any
    lines: dict[str, int] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)

    def line_of(self, path: str) -> int:
        """The line of a path, or of what it is in."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.line


def load(text: str | bytes) -> list[Document]:
    """All documents of a text; empty ones are left out. Raises NotReadable, naming the line.

    Values are counted while they are read, so that what is too much is refused early. An alias is
    copied each time, and what is copied counts: a bomb of them is refused.
    """
    if isinstance(text, bytes):
        text = _decoded(text)
    if len(text) > MOST_BYTES:
        raise NotReadable(
            _("This is longer than %(n)s MiB.") % {"n": MOST_BYTES >> 20},
            hint=_("Split it into several files."),
        )
    try:
        roots = list(_compose(_counted(yaml.parse(text, Loader=_LOADER))))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise NotReadable(
            _("This is not YAML%(where)s: %(problem)s.")
            % {"where": where, "problem": error.problem or "it breaks off"},
            hint=_("Correct the line. Blanks at its beginning count, and tabs are none."),
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise NotReadable(
            _("This is not YAML: %(error)s.") % {"error": str(error).partition(chr(10))[0]},
            hint=_("Save it as plain text in UTF-8."),
        ) from error
    room = _Room()
    found: list[Document] = []
    for root in roots:
        document = Document(len(found) + 1, root.line, None)
        document.value = _Reader(document, room).read(root, "", 0)
        if document.value is not None:
            found.append(document)
    return found


def load_one(text: str | bytes) -> Any:
    """The value of the only document of a text; None if it is empty.

    Raises NotReadable, naming the line; of a key that stands twice, too.
    """
    found = load(text)
    if len(found) > 1:
        raise NotReadable(
            _("Line %(line)s: a second document begins here, and one is expected.")
            % {"line": found[1].line},
            hint=_("Take the line with --- out, or split the file."),
        )
    for document in found:
        for path in document.repeated:
            raise NotReadable(
                _("Line %(document)s: %(path)s stands here twice.")
                % {"document": document.line_of(path), "path": path[:200]},
                hint=_("Take out the one that does not hold."),
            )
    return found[0].value if found else None


def dump(*documents: Any) -> str:
    """Documents as YAML: keys in the order that they have, texts in as few quotes as is safe."""
    return yaml.dump_all(
        documents,
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        explicit_start=len(documents) > 1,
        width=4096,
    )


def storable(value: Any) -> Any:
    """A value as JSON columns take it. A number that no float holds exactly is kept as its text."""
    if isinstance(value, dict):
        return {str(key): storable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [storable(each) for each in value]
    if isinstance(value, Decimal):
        return float(value) if Decimal(repr(float(value))) == value else str(value)
    return value


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotReadable(
            _("This is not text in UTF-8: byte %(n)s is none of it.") % {"n": error.start + 1},
            hint=_("Save it as UTF-8."),
        ) from error


@dataclass
class _Node:
    """What stands in a text. children : of a mapping, pairs of nodes; of a list, nodes."""

    kind: str
    line: int
    tag: str | None = None
    text: str = ""
    is_plain: bool = False
    children: list[Any] = field(default_factory=list)


def _counted(events: Iterable[yaml.Event]) -> Iterator[yaml.Event]:
    """Events up to as many as MOST_VALUES have: what follows is not even parsed."""
    begun = (yaml.NodeEvent, yaml.DocumentStartEvent)
    count = 0
    for event in events:
        count += isinstance(event, begun)
        if count > 2 * MOST_VALUES:  # keys have events, too
            raise _too_many(event.start_mark.line + 1 if event.start_mark else 1)
        yield event


def _too_many(line: int) -> NotReadable:
    return NotReadable(
        _(
            "Line %(line)s: there are more than %(most_values)s values here, aliases counted "
            "each time."
        )
        % {"line": line, "most_values": f"{MOST_VALUES:,}"},
        hint=_("Split the file, and write out what its aliases stand for."),
    )


def _compose(events: Iterator[yaml.Event]) -> Iterator[_Node]:
    """The nodes of each document. Not yaml.compose: that ends the process on deep nesting."""
    anchors: dict[str, _Node] = {}
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            anchors = {}
        elif isinstance(event, yaml.NodeEvent):
            yield _node(event, events, anchors, 0)


def _node(event: Any, events: Iterator[yaml.Event], anchors: dict[str, _Node], depth: int) -> _Node:
    line = event.start_mark.line + 1
    if depth > DEEPEST:
        raise _too_deep(line)
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise NotReadable(
                _("Line %(line)s: nothing before it is called &%(anchor)s.")
                % {"line": line, "anchor": str(event.anchor)[:40]},
                hint=_("Put asterisks that belong to a text in quotes."),
            )
        return anchors[event.anchor]
    if isinstance(event, yaml.ScalarEvent):
        made = _Node("scalar", line, event.tag, event.value, event.implicit[0])
    elif isinstance(event, yaml.SequenceStartEvent):
        made = _Node("list", line, event.tag)
    else:
        made = _Node("mapping", line, event.tag)
    if event.anchor:
        anchors[event.anchor] = made
    if made.kind == "scalar":
        return made
    for inner in events:
        if isinstance(inner, yaml.CollectionEndEvent):
            break
        child = _node(inner, events, anchors, depth + 1)
        if made.kind == "mapping":
            made.children.append((child, _node(next(events), events, anchors, depth + 1)))
        else:
            made.children.append(child)
    return made


def _too_deep(line: int) -> NotReadable:
    return NotReadable(
        _(
            "Line %(line)s: this is nested more than %(deepest)s deep, or an alias stands within "
            "itself."
        )
        % {"line": line, "deepest": DEEPEST},
        hint=_("Write out what its aliases stand for."),
    )


@dataclass
class _Room:
    """What may still be read. Without aliases no text has more characters than its file."""

    values: int = MOST_VALUES
    characters: int = MOST_BYTES

    def take(self, node: _Node) -> None:
        self.values -= 1
        if self.values < 0:
            raise _too_many(node.line)
        self.characters -= len(node.text)
        if self.characters < 0:
            raise NotReadable(
                _("Line %(line)s: this is longer than %(n)s MiB, aliases counted each time.")
                % {"line": node.line, "n": MOST_BYTES >> 20},
                hint=_("Split the file, and write out what its aliases stand for."),
            )


class _Reader:
    """Makes values of the nodes of one document."""

    def __init__(self, document: Document, room: _Room) -> None:
        self.document, self.room = document, room

    def read(self, node: _Node, path: str, depth: int) -> Any:
        self.room.take(node)
        if depth > DEEPEST:
            raise _too_deep(node.line)
        if node.tag and node.tag not in _TAGS:
            raise NotReadable(
                _("Line %(line)s: values of the kind %(tag)s are not read.")
                % {"line": node.line, "tag": node.tag[:60]},
                hint=_("Write it as text."),
            )
        if node.kind == "mapping":
            return self._mapping(node, path, depth)
        if node.kind == "list":
            return [
                self.read(each, f"{path}[{number}]", depth + 1)
                for number, each in enumerate(node.children)
            ]
        return self._scalar(node)

    def _mapping(self, node: _Node, path: str, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.children:
            if key.kind != "scalar":
                raise NotReadable(
                    _("Line %(line)s: a key is a list or a mapping.") % {"line": key.line},
                    hint=_("Keys are texts. Put braces that belong to a template in quotes."),
                )
            name = _storable_text(key)
            if name == "<<" and key.is_plain:
                for each in value.children if value.kind == "list" else [value]:
                    if each.kind != "mapping":
                        raise NotReadable(
                            _("Line %(line)s: << takes in a mapping, or a list of mappings.")
                            % {"line": key.line},
                            hint=_("Put it in quotes if it is a name."),
                        )
                    merged = self.read(each, path, depth + 1) | merged
                continue
            # Keys are texts: `on`, `1` and `null` are names as good as others.
            inner = f"{path}.{name}" if path else name
            if name in own:
                self.document.repeated.append(inner)
            own[name] = self.read(value, inner, depth + 1)
            self.document.lines[inner] = key.line
        return merged | own

    @staticmethod
    def _scalar(node: _Node) -> Any:
        text = _storable_text(node)
        if node.tag == _TEXT or not (node.is_plain or node.tag):
            return text
        if text in _WORDS:
            return _WORDS[text]
        if len(text) > LONGEST_NUMBER or _PADDED.match(text):
            return text
        if _INTEGER.match(text):
            return int(text)
        return Decimal(text) if _NUMBER.match(text) else text


def _storable_text(node: _Node) -> str:
    if _UNSTORABLE.search(node.text):
        raise NotReadable(
            _("Line %(line)s: NUL and halves of surrogate pairs can't be stored.")
            % {"line": node.line},
            hint=_("Take these characters out."),
        )
    return node.text


class _Dumper(yaml.SafeDumper):
    """Writes Decimals as plain numbers, texts of several lines as blocks, and never an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)  # lists stand a step to the right of their key


def _decimal(dumper: yaml.SafeDumper, value: Decimal) -> yaml.ScalarNode:
    text = format(value, "f")
    tag = "tag:yaml.org,2002:float" if "." in text else "tag:yaml.org,2002:int"
    return dumper.represent_scalar(tag, text)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None
    if "\n" in value and not re.search(r"[ \t]\n|^\s|\n\n\Z", value):
        style = "|"
    elif value in _WORDS or _NUMBER.match(value):
        style = "'"  # other readers take more for numbers than PyYAML does
    return dumper.represent_scalar(_TEXT, value, style=style)


def _float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    return _decimal(dumper, Decimal(repr(value)))


_Dumper.add_representer(Decimal, _decimal)
_Dumper.add_representer(float, _float)
_Dumper.add_representer(str, _text)
