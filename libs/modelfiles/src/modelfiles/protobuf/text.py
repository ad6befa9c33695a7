"""Protobuf's text format (protobuf.dev/reference/protobuf/textformat-spec), read without a schema."""

import re
from collections.abc import Iterator
from pathlib import Path

SIZE_LIMIT = 4 * 1024**2
"""Bytes of a file; the longest networks written by hand or script have a tenth of it."""
DEPTH_LIMIT = 100
PARTS = re.compile(
    r"""(?P<space>(?:\s|\#[^\n]*|[,;])+)|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>[\w.+-]+)|(?P<sign>[:{}<>\[\]])"""
)
"""Separators are optional and mean nothing."""


class Fields:
    """One message: each field's values in the order of the file, as text or messages."""

    def __init__(self) -> None:
        self._values: dict[str, list[str | Fields]] = {}

    def add(self, name: str, value: "str | Fields") -> None:
        """One more value of a field."""
        self._values.setdefault(name, []).append(value)

    def texts(self, name: str) -> list[str]:
        """The values of a scalar field."""
        return [value for value in self._values.get(name, []) if isinstance(value, str)]

    def text(self, name: str, default: str = "") -> str:
        """The last value of a scalar field, which is the one that counts."""
        values = self.texts(name)
        return values[-1] if values else default

    def messages(self, *names: str) -> list["Fields"]:
        """The messages in fields of these names."""
        return [value for name in names for value in self._values.get(name, []) if isinstance(value, Fields)]

    def message(self, name: str) -> "Fields":
        """The message in a field; an empty one where there is none."""
        messages = self.messages(name)
        return messages[-1] if messages else Fields()


def read_text(path: Path) -> Fields:
    """Read a file that holds one message. Raises ValueError."""
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
            raise ValueError(f"{part[:20]} stands where a field's name should")
        else:
            name = part
    if len(around) != 1:
        raise ValueError("it ends within a message")
    return root


def _add_values(fields: Fields, name: str, parts: Iterator[str], around: list[Fields]) -> None:
    """What follows a colon: a value, a list of values in brackets, or a message."""
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
            raise ValueError(f"it has {text[at : at + 10]!r} where text of protobuf should be")
        at = match.end()
        if match.lastgroup != "space":
            yield match.group()
