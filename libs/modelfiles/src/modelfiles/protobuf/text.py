"""Protobuf's text format (protobuf.dev/reference/protobuf/textformat-spec), read without a schema."""

import re
from collections.abc import Iterator
from pathlib import Path

SIZE_LIMIT = 4 * 1024**2
"""Maximum size of a file in bytes; the longest hand-written or scripted networks have a tenth of it."""
DEPTH_LIMIT = 100
PARTS = re.compile(
    r"""(?P<space>(?:\s|\#[^\n]*|[,;])+)|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>[\w.+-]+)|(?P<sign>[:{}<>\[\]])"""
)
"""Tokens. Separators are optional and have no meaning."""


class Fields:
    """A message: the values of each field in order, as text or messages."""

    def __init__(self) -> None:
        self._values: dict[str, list[str | Fields]] = {}

    def add(self, name: str, value: "str | Fields") -> None:
        """Add a value to a field."""
        self._values.setdefault(name, []).append(value)

    def texts(self, name: str) -> list[str]:
        """Return the values of a scalar field."""
        return [value for value in self._values.get(name, []) if isinstance(value, str)]

    def text(self, name: str, default: str = "") -> str:
        """Return the last value of a scalar field, which takes precedence."""
        values = self.texts(name)
        return values[-1] if values else default

    def messages(self, *names: str) -> list["Fields"]:
        """Return the messages in fields of these names."""
        return [value for name in names for value in self._values.get(name, []) if isinstance(value, Fields)]

    def message(self, name: str) -> "Fields":
        """Return the message in a field; empty if it is absent."""
        messages = self.messages(name)
        return messages[-1] if messages else Fields()


def read_text(path: Path) -> Fields:
    """Parse a file that contains one message. Raises ValueError."""
    with path.open("rb") as file:
        content = file.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        raise ValueError(f"it is longer than {SIZE_LIMIT} bytes")
    root = Fields()
    around, name = [root], ""
    parts = _parts(content.decode())
    for part in parts:
        if part in {"{", "<"}:
            inner = Fields()
            around[-1].add(name, inner)
            around.append(inner)
            if len(around) > DEPTH_LIMIT:
                raise ValueError("its messages are nested too deep")
        elif part in {"}", ">"}:
            around.pop()
            if not around:
                raise ValueError("it closes a message that it did not open")
        elif part == ":":
            _add_values(around[-1], name, parts, around)
        elif part[0] in "\"'[]":
            raise ValueError(f"{part[:20]} is in the place of a field's name")
        else:
            name = part
    if len(around) != 1:
        raise ValueError("it ends within a message")
    return root


def _add_values(fields: Fields, name: str, parts: Iterator[str], around: list[Fields]) -> None:
    """Parse the part after a colon: a value, a list of values in brackets, or a message."""
    part = next(parts, "")
    if part in {"{", "<"}:
        inner = Fields()
        fields.add(name, inner)
        around.append(inner)
        return
    listed = part == "["
    part = next(parts, "") if listed else part
    while part != "]":
        if not part or part in ":{}<>[":
            raise ValueError(f"the field {name[:50]} has no value")
        fields.add(name, part.strip("\"'") if part[0] in "\"'" else part)
        if not listed:
            return
        part = next(parts, "")


def _parts(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        match = PARTS.match(text, at)
        if match is None:
            raise ValueError(f"it has {text[at : at + 10]!r} which is not valid protobuf text")
        at = match.end()
        if match.lastgroup != "space":
            yield match.group()
