"""YAML read as text: a tree of nodes in which every scalar is what the operator wrote, with its place in the file.

There are no implicit types (`0612345677`, `18:30`, `no` and `1.10` stay text) and no tags. libyaml's event stream is
turned into nodes here rather than by PyYAML's composer, which would keep only the last of duplicate keys, expand
anchors without a bound and recurse as deep as the file says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec
import yaml

from controller.flow.findings import Findings, Mark, clipped

MAX_FILE_BYTES = 1024 * 1024
MAX_DEPTH = 16
MAX_NODES = 50_000
"""Nodes of one file, counting what anchors expand to."""


class TextNode(msgspec.Struct, frozen=True):
    """A scalar, as written (quotes and escapes resolved); an empty value is empty text."""

    mark: Mark
    text: str
    quoted: bool = False

    def mark_at(self, offset: int) -> Mark:
        """Return the place of a character of the text; exact where it stands on one line without escapes."""
        return Mark(self.mark.file, self.mark.line, self.mark.column + self.quoted + offset)


class ListNode(msgspec.Struct, frozen=True):
    """A sequence."""

    mark: Mark
    items: tuple[Node, ...]


class MapNode(msgspec.Struct, frozen=True):
    """A mapping in the order written: key → (place of the key, value)."""

    mark: Mark
    entries: dict[str, tuple[Mark, Node]]


Node: TypeAlias = TextNode | ListNode | MapNode


def read_yaml(content: bytes, file: str, findings: Findings) -> Node | None:
    """Return the tree of one YAML document, or None with at least one error added to `findings`.

    A tree may come back although there are findings (duplicate keys, tags, tabs), so that the rest can be checked.
    """
    top = Mark(file)
    if len(content) > MAX_FILE_BYTES:
        findings.error(
            top, "file-size", f"the file has {len(content)} bytes, the limit is {MAX_FILE_BYTES}", "split it"
        )
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        findings.error(Mark(file, line, column), "encoding", "this byte is not UTF-8", "save the file as UTF-8")
        return None
    tabs = _find_tabs(text, file, findings)
    try:
        return _Builder(file, findings).build(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = top if mark is None else Mark(file, mark.line + 1, mark.column + 1)
        if not tabs:
            message = " ".join(part for part in (error.problem, error.context) if part)
            findings.error(place, "yaml-syntax", message or "this is not YAML")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        findings.error(Mark(file, line), "yaml-syntax", "a character that YAML does not allow", "delete it")
    except yaml.YAMLError as error:
        findings.error(top, "yaml-syntax", str(error) or "this is not YAML")
    except _TooMuchError:
        pass  # its finding is there
    return None


def _find_tabs(text: str, file: str, findings: Findings) -> bool:
    """Report every line that is indented with a tab; return whether there was one."""
    found = False
    for number, line in enumerate(text.split("\n"), start=1):
        indent = line[: len(line) - len(line.lstrip(" \t"))]
        if "\t" in indent and line.strip():
            mark = Mark(file, number, indent.index("\t") + 1)
            findings.error(mark, "tab", "a tab in the indentation", "use spaces")
            found = True
    return found


class _TooMuchError(Exception):
    """A bound was passed, reading on is no use; the finding is already there."""


class _Level:
    """A collection that is still open."""

    __slots__ = ("anchor", "entries", "items", "key", "mark", "size")

    def __init__(self, mark: Mark, anchor: str | None, *, is_map: bool) -> None:
        self.mark = mark
        self.anchor = anchor
        self.items: list[Node] = []
        self.entries: dict[str, tuple[Mark, Node]] | None = {} if is_map else None
        self.key: TextNode | None = None
        self.size = 1


class _Builder:
    def __init__(self, file: str, findings: Findings) -> None:
        self._file = file
        self._findings = findings
        self._levels: list[_Level] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._nodes = 0
        self._root: Node | None = None
        self._documents = 0

    def build(self, events: Iterator[yaml.Event]) -> Node | None:
        for event in events:
            if isinstance(event, yaml.NodeEvent):
                self._node_event(event)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self._close()
            elif isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    self._findings.error(self._mark(event), "documents", "a second document", "one document a file")
                    return self._root
        if self._root is None:
            self._findings.error(Mark(self._file), "empty-file", "the file holds nothing")
        return self._root

    def _node_event(self, event: yaml.NodeEvent) -> None:
        mark = self._mark(event)
        if isinstance(event, yaml.AliasEvent):
            self._alias(event, mark)
            return
        if getattr(event, "tag", None) is not None:
            message = f"the tag {clipped(str(event.tag), 60)}: values have no tags here"  # type: ignore[attr-defined]
            self._findings.error(mark, "tag", message, "delete the tag")
        if isinstance(event, yaml.ScalarEvent):
            self._count(1, mark)
            self._place(TextNode(mark, event.value, event.style in ("'", '"')), 1, event.anchor)
            return
        self._count(1, mark)
        if len(self._levels) >= MAX_DEPTH:
            self._findings.error(mark, "depth", f"nested deeper than {MAX_DEPTH} levels")
            raise _TooMuchError
        self._levels.append(_Level(mark, event.anchor, is_map=isinstance(event, yaml.MappingStartEvent)))

    def _alias(self, event: yaml.AliasEvent, mark: Mark) -> None:
        name = event.anchor or ""
        known = self._anchors.get(name)
        if known is None:
            message = f"the alias *{clipped(name, 40)} stands for nothing that is complete above it"
            self._findings.error(mark, "alias", message)
            self._place(TextNode(mark, ""), 1, None)
            return
        node, size = known
        self._count(size, mark)
        self._place(node, size, None)

    def _count(self, more: int, mark: Mark) -> None:
        self._nodes += more
        if self._nodes > MAX_NODES:
            self._findings.error(mark, "expansion", f"more than {MAX_NODES} values, counting what anchors expand to")
            raise _TooMuchError

    def _close(self) -> None:
        level = self._levels.pop()
        node: Node
        if level.entries is None:
            node = ListNode(level.mark, tuple(level.items))
        else:
            node = MapNode(level.mark, level.entries)
        self._place(node, level.size, level.anchor)

    def _place(self, node: Node, size: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if not self._levels:
            self._root = node
            return
        level = self._levels[-1]
        level.size += size
        if level.entries is None:
            level.items.append(node)
        elif level.key is None:
            level.key = self._as_key(node)
        else:
            key, level.key = level.key, None
            first = level.entries.get(key.text)
            if first is not None:
                message = f"the key '{clipped(key.text, 60)}' stands already in line {first[0].line}"
                self._findings.error(key.mark, "duplicate-key", message, "delete or rename one of them")
            else:
                level.entries[key.text] = (key.mark, node)

    def _as_key(self, node: Node) -> TextNode:
        if isinstance(node, TextNode):
            return node
        self._findings.error(node.mark, "key", "a key must be plain text")
        return TextNode(node.mark, f"key in line {node.mark.line}, column {node.mark.column}")

    def _mark(self, event: yaml.Event) -> Mark:
        start = event.start_mark
        return Mark(self._file) if start is None else Mark(self._file, start.line + 1, start.column + 1)
