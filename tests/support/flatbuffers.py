"""Hand-written FlatBuffers: tables as mappings of field number to value."""

import struct
from typing import Any

Fields = dict[int, Any]
"""(struct type, number), text, bytes, a list of 32-bit integers, or a list of tables."""


def flatbuffer(identifier: bytes, root: Fields) -> bytes:
    """A file that holds one table and everything below it."""
    out = bytearray(bytes(4) + identifier)
    _point(out, 0, _table(out, root))
    return bytes(out)


def _table(out: bytearray, fields: Fields) -> int:
    vtable = len(out)
    out += bytes(4 + 2 * (max(fields, default=0) + 1))
    at = len(out)
    struct.pack_into("<HH", out, vtable, at - vtable, 0)
    out += struct.pack("<i", at - vtable)
    waiting = []
    for field, value in fields.items():
        struct.pack_into("<H", out, vtable + 4 + 2 * field, len(out) - at)
        if isinstance(value, tuple):
            out += struct.pack(*value)
        else:
            waiting.append((len(out), value))
            out += bytes(4)
    for place, value in waiting:
        _point(out, place, _vector(out, value))
    return at


def _vector(out: bytearray, value: Any) -> int:
    content = value.encode() if isinstance(value, str) else value
    at = len(out)
    out += struct.pack("<I", len(content))
    if isinstance(content, bytes):
        out += content
    elif content and isinstance(content[0], int):
        out += struct.pack(f"<{len(content)}i", *content)
    else:
        out += bytes(4 * len(content))
        for index, fields in enumerate(content):
            _point(out, at + 4 + 4 * index, _table(out, fields))
    return at


def _point(out: bytearray, place: int, target: int) -> None:
    struct.pack_into("<I", out, place, target - place)
