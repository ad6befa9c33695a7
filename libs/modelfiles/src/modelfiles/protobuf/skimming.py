"""Reads protobuf files of any size without their tensors: fields that a schema does not declare are skipped.

The wire format is defined in protobuf.dev/programming-guides/encoding.
"""

import os
import re
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .messages import Messages

KEPT_LIMIT = 64 * 1024**2
"""Maximum number of bytes in declared fields: names, shapes and types."""
AT_ONCE = 8 * 1024**2
"""Maximum size in bytes of files that are loaded at once, which takes a tenth of the time."""
FIELDS_LIMIT = 1_500_000
"""Maximum number of fields, declared or not, which takes a few seconds; a run of equal fields counts as one."""
BLOCK = 16 * 1024
HIGH_BYTES = bytes(range(128, 256))
VARINT, BITS64, LENGTH, BITS32 = 0, 1, 2, 5
FIXED = {BITS64: 8, BITS32: 4}
CONTENTS = {VARINT: rb"[\x80-\xff]{0,9}[\x00-\x7f]", BITS32: b".{4}"}
"""Patterns of the content after a tag, for fields that make up arrays."""
LONGEST_VARINT = 10
VARINTS = "varints"
MEASURED = {"size", VARINTS}
"""Kinds of fields of which only a number is kept; see `messages.SCALARS`."""


class Schema:
    """The declared part of a foreign schema, and the reader of its files.

    Args:
        package: a unique name.
        messages: the declared part.
        root: the message type of the file.
        at_once: maximum size in bytes of files that are loaded at once; ignored if a measured field is declared.
    """

    def __init__(self, package: str, messages: "Messages", root: str, *, at_once: int = AT_ONCE) -> None:
        kinds = {kind.lstrip("*?") for fields in messages.values() for _, _, kind in fields}
        self._at_once = 0 if kinds & MEASURED else at_once
        self._package = package
        self._messages = messages
        self._root = root

    @cached_property
    def message(self) -> Any:
        """The class of the root message."""
        from .messages import message_class  # noqa: PLC0415 - loads protobuf, which most formats do without

        return message_class(self._package, self._messages, self._root)

    def read(self, path: Path) -> Any:
        """Return the message of the file with only its declared fields.

        Raises:
            ValueError: the file is truncated, or has more fields than any model.
            google.protobuf.message.DecodeError: a declared field has invalid content.
        """
        message = self.message()
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            loaded = file.read() if size <= self._at_once else _Walk(file, self._messages).message(self._root, size)
        message.ParseFromString(loaded)
        return message


class _Walk:
    """A pass over a file."""

    def __init__(self, file: BufferedReader, messages: "Messages") -> None:
        self._file = file
        self._at = 0
        self._fields = {
            name: {number: kind.lstrip("*?") for _, number, kind in fields} for name, fields in messages.items()
        }
        self._walked = 0
        self._kept = 0

    def message(self, name: str, end: int) -> bytes:
        """Return the declared fields of the message that ends at a position, encoded again."""
        fields, kept = self._fields[name], bytearray()
        while self._at < end:
            self._walked += 1
            if self._walked > FIELDS_LIMIT:
                raise ValueError(f"it has more than {FIELDS_LIMIT} fields")
            tag = self._varint()
            kind = fields.get(tag >> 3)
            if kind is None:
                self._pass(tag, end)
            elif tag & 7 == LENGTH and kind in self._fields:
                size = self._size(end)
                content = self.message(kind, self._at + size)
                kept += _encoded(tag) + _encoded(len(content)) + content
            elif kind in MEASURED:
                kept += _encoded(tag & ~7) + _encoded(self._measure(tag, kind, end))
            else:
                kept += _encoded(tag) + self._scalar(tag & 7, end)
            if self._at > end:
                raise ValueError("a field passes the end of its message")
        return bytes(kept)

    def _scalar(self, wire: int, end: int) -> bytes:
        if wire == VARINT:
            return _encoded(self._varint())
        if wire == LENGTH:
            size = self._size(end)
            self._keep(size)
            return _encoded(size) + self._read(size)
        return self._read(_fixed(wire))

    def _measure(self, tag: int, kind: str, end: int) -> int:
        """Return the size of a field, or the number of varints in it, for all fields of a run."""
        if tag & 7 == LENGTH:
            size = self._size(end)
            if kind == VARINTS:
                return self._varints(size)
            self._seek(size)
            return size
        passed = self._pass(tag, end)
        return passed if kind == VARINTS else passed * _fixed(tag & 7)

    def _varints(self, size: int) -> int:
        """Return the number of varints in the next bytes, which is the number of bytes without the high bit."""
        count = 0
        for begin in range(0, size, BLOCK):
            count += _ends(self._read(min(BLOCK, size - begin)))
        return count

    def _pass(self, tag: int, end: int) -> int:
        """Skip a field and the similar fields after it, because proto2 writes each number of an array as a field.

        Returns their number.
        """
        wire = tag & 7
        if wire == LENGTH:
            self._seek(self._size(end))
            return 1
        if wire == VARINT:
            self._varint()
        else:
            self._seek(_fixed(wire))
        is_short = wire in CONTENTS and tag < 128  # noqa: PLR2004 - a tag of one byte
        return 1 + self._pass_run(tag, end) if is_short else 1

    def _pass_run(self, tag: int, end: int) -> int:
        """Skip consecutive fields of this tag. Returns their number."""
        wire, written, count = tag & 7, bytes([tag]), 0
        run = re.compile(b"(?:" + re.escape(written) + CONTENTS[wire] + b")+", re.DOTALL)
        while self._at < end and self._file.peek(1)[:1] == written:
            matched = run.match(self._file.read(min(BLOCK, end - self._at)))
            passed = matched[0] if matched else b""
            self._file.seek(self._at + len(passed))
            self._at += len(passed)
            if not passed:
                break
            count += _ends(passed) // 2 if wire == VARINT else len(passed) // (1 + FIXED[wire])
        return count

    def _size(self, end: int) -> int:
        size = self._varint()
        if self._at + size > end:
            raise ValueError("a length passes the end of its message")
        return size

    def _varint(self) -> int:
        value = 0
        for place in range(LONGEST_VARINT):
            byte = self._read(1)[0]
            value |= (byte & 127) << (7 * place)
            if byte < 128:  # noqa: PLR2004 - the high bit says that more follow
                return value
        raise ValueError("a number is incomplete")

    def _read(self, size: int) -> bytes:
        content = self._file.read(size)
        if len(content) < size:
            raise ValueError("it ends in the middle of a field")
        self._at += size
        return content

    def _seek(self, size: int) -> None:
        self._file.seek(size, os.SEEK_CUR)
        self._at += size

    def _keep(self, size: int) -> None:
        self._kept += size
        if self._kept > KEPT_LIMIT:
            raise ValueError(f"its structure is larger than {KEPT_LIMIT} bytes")


def _ends(numbers: bytes) -> int:
    """Return the number of varints that end in these bytes: the last byte of each has no high bit."""
    return len(numbers.translate(None, HIGH_BYTES))


def _fixed(wire: int) -> int:
    if wire not in FIXED:
        raise ValueError(f"a field has the wire type {wire}, which no writer uses")
    return FIXED[wire]


def _encoded(number: int) -> bytes:
    parts = bytearray()
    while number > 127:  # noqa: PLR2004 - seven bits a byte
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)
