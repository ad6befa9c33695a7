"""Protobuf files of any size, read without their tensors: what a schema does not declare is sought past, not loaded.

The wire format is that of protobuf.dev/programming-guides/encoding.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from .converting.programs.protobuf_messages import Messages

KEPT_LIMIT = 64 * 1024**2
"""Bytes that a file may hold in declared fields: names, shapes and types."""
AT_ONCE = 8 * 1024**2
"""Bytes up to which a file is small enough to be loaded whole, which takes a tenth of the time."""
FIELDS_LIMIT = 1_500_000
"""Fields, declared or not, that are walked in a few seconds; a run of equal 32-bit fields is one."""
BLOCK = 16 * 1024
VARINT, BITS64, LENGTH, BITS32 = 0, 1, 2, 5
FIXED = {BITS64: 8, BITS32: 4}
LONGEST_VARINT = 10


class Schema:
    """The declared part of a foreign schema, and how a file is read with it.

    Args:
        package: a name of its own.
        messages: the declared part.
        root: the message that a file holds.
        at_once: bytes up to which a file is loaded whole; ignored where a `size` is declared.
    """

    def __init__(self, package: str, messages: "Messages", root: str, *, at_once: int = AT_ONCE) -> None:
        has_sizes = any(kind == "size" for fields in messages.values() for _, _, kind in fields)
        self._at_once = 0 if has_sizes else at_once
        self._package = package
        self._messages = messages
        self._root = root

    @cached_property
    def message(self) -> Any:
        """The class of the whole file's message."""
        from .converting.programs.protobuf_messages import message_class  # noqa: PLC0415 - loads protobuf, which most formats do without

        return message_class(self._package, self._messages, self._root)

    def read(self, path: Path) -> Any:
        """The file's message with its declared fields only.

        Raises:
            ValueError: the file is cut off, or has more fields than any model.
            google.protobuf.message.DecodeError: a declared field does not hold what it should.
        """
        message = self.message()
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            loaded = file.read() if size <= self._at_once else _Walk(file, self._messages).message(self._root, size)
        message.ParseFromString(loaded)
        return message


class _Walk:
    """One pass over a file."""

    def __init__(self, file: BinaryIO, messages: "Messages") -> None:
        self._file = file
        self._at = 0
        self._fields = {
            name: {number: kind.lstrip("*?") for _, number, kind in fields} for name, fields in messages.items()
        }
        self._walked = 0
        self._kept = 0

    def message(self, name: str, end: int) -> bytes:
        """The declared fields of a message that ends there, encoded again."""
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
            elif tag & 7 == LENGTH and kind == "size":
                size = self._size(end)
                self._seek(size)
                kept += _encoded(tag - LENGTH) + _encoded(size)
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

    def _pass(self, tag: int, end: int) -> None:
        """Skip a field, and those like it that follow: proto2 writes an array of floats as one field for each."""
        wire = tag & 7
        if wire == VARINT:
            self._varint()
        elif wire == LENGTH:
            self._seek(self._size(end))
        else:
            self._seek(_fixed(wire))
            if wire == BITS32 and tag < 128:  # noqa: PLR2004 - a tag of one byte
                self._pass_run(bytes([tag]), end)

    def _pass_run(self, tag: bytes, end: int) -> None:
        stride = 1 + FIXED[BITS32]
        while True:
            block = self._file.read(min(BLOCK, (end - self._at) // stride) * stride)
            tags = block[::stride]
            run = len(tags) - len(tags.lstrip(tag))
            self._file.seek(self._at + run * stride)
            self._at += run * stride
            if run == 0 or run < len(tags):
                return

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
        raise ValueError("a number has no end")

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
