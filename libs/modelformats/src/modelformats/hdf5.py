"""HDF5 files by their headers: attributes that are text, groups, and data sets by type and shape.

A separate implementation, since the HDF5 library does not terminate on some damaged files. Follows the HDF5 File Format
Specification 3.0, for the library's default output: attributes and links in object headers, and groups with a symbol
table. All numbers are little-endian.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from .weights import BITS, unknown_type

MAGIC = b"\x89HDF\r\n\x1a\n"
READ_LIMIT = 64 * 1024**2
"""Maximum number of bytes of headers and text to read from one file, including repeated reads."""
READ_COST = 128
"""Minimum number of bytes that a read counts, because a file with cycles could take minutes."""
OBJECTS_LIMIT = 200_000
DATASPACE, DATATYPE, LINK, ATTRIBUTE, CONTINUATION, SYMBOL_TABLE = 0x01, 0x03, 0x06, 0x0C, 0x10, 0x11
LINK_INFO, ATTRIBUTE_INFO = 0x02, 0x15
INTEGER, FLOAT, STRING, OPAQUE, REFERENCE, ENUMERATION, VARIABLE = 0, 1, 3, 5, 7, 8, 9
CLASSES = {2: "time", 4: "bit field", OPAQUE: "opaque", 6: "compound", ENUMERATION: "enumeration", 10: "array"}
"""Classes of data types that are not plain numbers."""
NO_NUMBERS = {STRING, REFERENCE, VARIABLE}
NOTED = "dtype"
"""The attribute in which Keras stores a type that HDF5 does not support."""
BFLOAT_EXPONENT = 8
NOWHERE = b"\xff" * 8

Object = list[tuple[int, bytes]]
"""The messages in an object's header: type and content."""


@dataclass(frozen=True)
class DataSet:
    """Path in the file, numpy type (None if it is not numeric), shape, and bytes of one element."""

    path: str
    dtype: str | None
    shape: tuple[int, ...]
    size: int


class Hdf5:
    """An HDF5 file that begins at `begin` of a stream. Reading raises ValueError for damaged data."""

    def __init__(self, stream: BinaryIO, begin: int = 0) -> None:
        self._stream = stream
        self._base = begin
        self._left = READ_LIMIT
        start = self._read(0, 16)
        version = start[8]
        if not start.startswith(MAGIC) or version > 3:  # noqa: PLR2004
            raise ValueError("it does not begin as HDF5 files do")
        sizes = start[13:15] if version < 2 else start[9:11]  # noqa: PLR2004
        if set(sizes) - {4, 8}:
            raise ValueError("its addresses have an unusual size")
        self._address_size, self._length_size = sizes
        table = 24 + 4 * (version == 1) if version < 2 else 12  # noqa: PLR2004
        places = 5 if version < 2 else 3  # noqa: PLR2004 - before the root group's address
        self.root = self._number(self._read(table + places * self._address_size, self._address_size))

    def text(self, name: str) -> str | None:
        """Return an attribute of the root group; None if it does not exist."""
        for kind, content in self._object(self.root):
            if kind == ATTRIBUTE and (attribute := self._attribute(content, name)) is not None:
                return attribute
            if kind == ATTRIBUTE_INFO and content[-8:] != NOWHERE:  # the address of their table
                raise ValueError("its attributes are stored as only newer HDF5 libraries do, which is not read")
        return None

    def data_sets(self) -> Iterator[DataSet]:
        """Yield all data sets in groups; links to other places and files are not followed."""
        waiting, seen = [("", self.root)], set[int]()
        while waiting:
            path, address = waiting.pop()
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > OBJECTS_LIMIT:
                raise ValueError(f"it contains more than {OBJECTS_LIMIT} objects")
            messages = self._object(address)
            waiting += [(f"{path}/{name}", member) for name, member in self._members(messages)]
            contents = dict(messages)
            if DATATYPE in contents and DATASPACE in contents:
                kind, shape = contents[DATATYPE], self._dimensions(contents[DATASPACE])
                yield DataSet(path, self._dtype(kind, messages), shape, _element_size(kind))

    def _dtype(self, kind: bytes, messages: Object) -> str | None:
        """Return the type of a data set, or the type that Keras stores in an attribute: bfloat16 is opaque to HDF5."""
        dtype = numpy_name(kind)
        if kind[0] & 15 != OPAQUE:
            return dtype
        attributes = (self._attribute(content, NOTED) for type_, content in messages if type_ == ATTRIBUTE)
        noted = next((text for text in attributes if text is not None), "")
        return noted if BITS.get(noted) == 8 * _element_size(kind) else dtype

    def _read(self, at: int, size: int) -> bytes:
        self._left -= max(size, READ_COST)
        if self._left < 0 or size < 0:
            raise ValueError(f"its headers are larger than {READ_LIMIT} bytes")
        self._stream.seek(self._base + at)
        content = self._stream.read(size)
        if len(content) < size:
            raise ValueError("it names a position beyond its end")
        return content

    def _number(self, content: bytes) -> int:
        return int.from_bytes(content, "little")

    def _address(self, content: bytes, at: int) -> int:
        return self._number(content[at : at + self._address_size])

    def _length(self, content: bytes, at: int) -> int:
        return self._number(content[at : at + self._length_size])

    def _object(self, address: int) -> Object:
        start = self._read(address, 16)
        if start.startswith(b"OHDR"):
            return self._new_object(address, start)
        if start[0] != 1:
            raise ValueError("an object's header is not one")
        blocks, messages = [(address + 16, self._number(start[8:12]))], list[tuple[int, bytes]]()
        for at, size in blocks:
            content, place = self._read(at, size), 0
            while place + 8 <= size:
                kind, length = self._number(content[place : place + 2]), self._number(content[place + 2 : place + 4])
                messages.append((kind, content[place + 8 : place + 8 + length]))
                place += 8 + length
                if kind == CONTINUATION:
                    blocks.append(self._continuation(messages[-1][1]))
        return messages

    def _new_object(self, address: int, start: bytes) -> Object:
        """Read an object of version 2: smaller messages, and a checksum at each end."""
        flags = start[5]
        at = address + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        blocks, messages = [(at + width, self._number(self._read(at, width)))], list[tuple[int, bytes]]()
        header = 6 if flags & 4 else 4
        for at, size in blocks:
            content, place = self._read(at, size), 0
            while place + header <= size:
                kind, length = content[place], self._number(content[place + 1 : place + 3])
                messages.append((kind, content[place + header : place + header + length]))
                place += header + length
                if kind == CONTINUATION:
                    further, total = self._continuation(messages[-1][1])
                    blocks.append((further + 4, total - 8))  # between a signature and a checksum
        return messages

    def _continuation(self, content: bytes) -> tuple[int, int]:
        return self._address(content, 0), self._length(content, self._address_size)

    def _attribute(self, content: bytes, wanted: str) -> str | None:
        version, at = content[0], 9 if content[0] == 3 else 8  # noqa: PLR2004
        unit = 8 if version == 1 else 1
        parts = []
        for place in (2, 4, 6):
            size = self._number(content[place : place + 2])
            parts.append(content[at : at + size])
            at += -(-size // unit) * unit
        name, dtype, space = parts
        if name.rstrip(b"\0") != wanted.encode():
            return None
        kind, size = dtype[0] & 15, self._number(dtype[4:8])
        if self._dimensions(space):
            raise ValueError(f"its attribute {wanted} is not text")
        if kind == STRING:
            return content[at : at + size].rstrip(b"\0").decode()
        if kind == VARIABLE and dtype[1] & 15 == 1:
            return self._heap_text(content[at:])
        raise ValueError(f"its attribute {wanted} is not text")

    def _heap_text(self, reference: bytes) -> str:
        """Return text of variable length, which is in a heap of the file."""
        size, collection = self._number(reference[:4]), self._address(reference, 4)
        index = self._number(reference[4 + self._address_size : 8 + self._address_size])
        start = self._read(collection, 8 + self._length_size)
        end = self._length(start, 8) + collection
        at, header = collection + len(start), 8 + self._length_size
        while start.startswith(b"GCOL") and at + header <= end:
            entry = self._read(at, header)
            length = self._length(entry, 8)
            if self._number(entry[:2]) == index:
                return self._read(at + header, min(size, length)).decode()
            if entry[:2] == b"\0\0":
                break
            at += header + -(-length // 8) * 8
        raise ValueError("a text is not at its position")

    def _dimensions(self, space: bytes) -> tuple[int, ...]:
        at = 8 if space[0] == 1 else 4
        size = self._length_size
        if len(space) < at + space[1] * size:
            raise ValueError("a shape is cut off")
        return tuple(self._length(space, at + place * size) for place in range(space[1]))

    def _members(self, messages: Object) -> Iterator[tuple[str, int]]:
        for kind, content in messages:
            if kind == SYMBOL_TABLE:
                yield from self._symbols(self._address(content, 0), self._address(content, self._address_size))
            elif kind == LINK and (link := self._link(content)):
                yield link
            elif kind == LINK_INFO and content[-8:] != NOWHERE:
                raise ValueError("its groups are stored as only newer HDF5 libraries do, which is not read")

    def _link(self, content: bytes) -> tuple[str, int] | None:
        flags = content[1]
        at = 2 + (1 if flags & 8 else 0) + (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
        width = 1 << (flags & 3)
        size = self._number(content[at : at + width])
        end = at + width + size
        if flags & 8 and content[2] != 0:
            return None  # a link to a path or to another file
        return content[at + width : end].decode(), self._address(content, end)

    def _symbols(self, tree: int, heap: int) -> Iterator[tuple[str, int]]:
        names = self._read(heap, 8 + 2 * self._length_size + self._address_size)
        segment = self._address(names, 8 + 2 * self._length_size)
        texts = self._read(segment, self._length(names, 8))
        waiting = [tree]
        while waiting:
            start = self._read(waiting[-1], 8)
            at, count = waiting.pop() + 8, self._number(start[6:8])
            if start.startswith(b"TREE"):
                entry = self._length_size + self._address_size
                content = self._read(at + 2 * self._address_size, count * entry)
                waiting += [
                    self._address(content, place + self._length_size) for place in range(0, len(content), entry)
                ]
            elif start.startswith(b"SNOD"):
                entry = 2 * self._address_size + 24
                content = self._read(at, count * entry)
                for place in range(0, len(content), entry):
                    name = texts[self._address(content, place) :].partition(b"\0")[0]
                    if self._number(content[place + 2 * self._address_size :][:4]) != 2:  # noqa: PLR2004 - a soft link
                        yield name.decode(), self._address(content, place + self._address_size)
            else:
                raise ValueError("a group's table is not one")


def _element_size(kind: bytes) -> int:
    return int.from_bytes(kind[4:8], "little")


def numpy_name(kind: bytes) -> str | None:
    """Return the numpy name of a data type, or that of an unknown one; None if it is not numeric."""
    number, bits = kind[0] & 15, 8 * _element_size(kind)
    if number in NO_NUMBERS:
        return None
    if number == INTEGER:
        name = f"{'' if kind[1] & 8 else 'u'}int{bits}"
    elif number == FLOAT:
        name = "bfloat16" if bits == 16 and kind[13] == BFLOAT_EXPONENT else f"float{bits}"  # noqa: PLR2004
    else:
        name = "bool" if number == ENUMERATION and bits == 8 else CLASSES.get(number, f"class {number}")  # noqa: PLR2004
    return name if name in BITS else unknown_type(name)
