"""The little of YAML in which the Ethereum vectors are also published.

Block mappings and sequences by indentation, flow collections over any number of
lines, quoted and plain scalars. Anchors, tags, block scalars, several documents
and keys other than plain words are refused: no vector has them.
"""

from __future__ import annotations

import json
import re
from typing import Final, TypeAlias

Yaml: TypeAlias = "bool | int | float | str | list[Yaml] | dict[str, Yaml] | None"

MAX_DEPTH: Final = 16

MAX_SIZE: Final = 1 << 16
"""Octets; a vector has fewer than 10,000, and reading takes quadratic time."""

_START: Final = re.compile(rb"\s*(?:---\s*\n)?(?:#[^\n]*\n\s*)*(input|output):(\s|$)")
_KEY: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*):(?:\s+|$)")
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<mark>[][{},])|(?P<key>[A-Za-z_][A-Za-z0-9_]*):(?=\s)"""
    r"""|'(?P<single>(?:[^']|'')*)'|(?P<double>"(?:[^"\\]|\\.)*")|(?P<plain>[^][{},\s'"]+))"""
)
_WORDS: Final[dict[str, Yaml]] = {"true": True, "false": False, "null": None, "~": None, "": None}


def looks_like(data: bytes) -> bool:
    """Whether the text begins like an Ethereum vector: `input:` or `output:`."""
    return len(data) <= MAX_SIZE and _START.match(data) is not None


def read(text: str) -> Yaml:
    """The document; `ValueError` for everything that is not of this subset."""
    lines = [
        (len(line) - len(line.lstrip(" ")), line.strip())
        for line in text.splitlines()
        if line.strip() and not line.lstrip().startswith(("#", "---"))
    ]
    block = _Block(lines)
    value = block.value(0)
    if block.lines:
        raise ValueError("something after the document")
    return value


class _Block:
    """Lines that are not read yet, as pairs of indentation and content."""

    def __init__(self, lines: list[tuple[int, str]]) -> None:
        self.lines = lines

    def value(self, depth: int) -> Yaml:
        """The collection that begins with the next line."""
        if not self.lines or depth > MAX_DEPTH:
            raise ValueError("nothing there, or nested too deep")
        indent, first = self.lines[0]
        if first.startswith("- ") or first == "-":
            items: list[Yaml] = []
            while self._next_is_item(indent):
                rest = self.lines.pop(0)[1][1:].strip()
                items.append(self._after(rest, indent, depth))
            return items
        if _KEY.match(first) is None:
            return self._flow(self.lines.pop(0)[1])
        names: dict[str, Yaml] = {}
        while self.lines and self.lines[0][0] == indent:
            line = self.lines.pop(0)[1]
            found = _KEY.match(line)
            if found is None or found[1] in names:
                raise ValueError("not a mapping")
            # A sequence may stand at the indentation of its key.
            level = indent - 1 if self._next_is_item(indent) else indent
            names[found[1]] = self._after(line[found.end() :], level, depth)
        return names

    def _next_is_item(self, indent: int) -> bool:
        return bool(self.lines) and self.lines[0][0] == indent and self.lines[0][1][:1] == "-"

    def _after(self, rest: str, indent: int, depth: int) -> Yaml:
        """The value behind a key or a dash: on the line, or in deeper lines."""
        if rest:
            return self._flow(rest)
        if self.lines and self.lines[0][0] > indent:
            return self.value(depth + 1)
        return None

    def _flow(self, text: str) -> Yaml:
        """A flow collection or scalar; a collection may go on over the next lines."""
        tokens = _tokens(text)
        while sum(_opening(t) for t in tokens) > 0:
            if not self.lines:
                raise ValueError("a collection does not end")
            tokens += _tokens(self.lines.pop(0)[1])
        value = _flow_value(tokens, 0)
        if tokens:
            raise ValueError("something after a value")
        return value


_Token: TypeAlias = tuple[str, str]


def _opening(token: _Token) -> int:
    kind, text = token
    return 0 if kind != "mark" else {"[": 1, "{": 1, "]": -1, "}": -1, ",": 0}[text]


def _tokens(text: str) -> list[_Token]:
    # A key may be the last of its line, with the value on the next one.
    text = text.strip() + " "
    found: list[_Token] = []
    at = 0
    while at < len(text) - 1:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ValueError("no token")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _flow_value(tokens: list[_Token], depth: int) -> Yaml:
    if not tokens or depth > MAX_DEPTH:
        raise ValueError("nothing there, or nested too deep")
    kind, text = tokens.pop(0)
    if kind == "mark":
        return _flow_list(tokens, depth) if text == "[" else _flow_mapping(tokens, depth, text)
    if kind == "plain":
        return _plain(text)
    if kind == "single":
        return text.replace("''", "'")
    if kind == "double":
        value: Yaml = json.loads(text)
        return value
    raise ValueError("a key where a value belongs")


def _flow_list(tokens: list[_Token], depth: int) -> Yaml:
    items: list[Yaml] = []
    while tokens and tokens[0] != ("mark", "]"):
        items.append(_flow_value(tokens, depth + 1))
        _separator(tokens, "]")
    _take(tokens, "]")
    return items


def _flow_mapping(tokens: list[_Token], depth: int, opening: str) -> Yaml:
    if opening != "{":
        raise ValueError("not a value")
    names: dict[str, Yaml] = {}
    while tokens and tokens[0] != ("mark", "}"):
        kind, key = tokens.pop(0)
        if kind != "key" or key in names:
            raise ValueError("not a mapping")
        names[key] = _flow_value(tokens, depth + 1)
        _separator(tokens, "}")
    _take(tokens, "}")
    return names


def _separator(tokens: list[_Token], end: str) -> None:
    if tokens[:1] != [("mark", end)]:
        _take(tokens, ",")


def _take(tokens: list[_Token], mark: str) -> None:
    if tokens[:1] != [("mark", mark)]:
        raise ValueError("a collection is not well-formed")
    tokens.pop(0)


def _plain(text: str) -> Yaml:
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if text.isdecimal() and not text.startswith("0") else text
