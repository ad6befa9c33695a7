"""Protobuf's wire format, written by hand."""


def varint(number: int) -> bytes:
    """Seven bits per byte, lowest first."""
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def field(number: int, content: bytes | int) -> bytes:
    """A field with text, a message or packed numbers, or an integer."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content
