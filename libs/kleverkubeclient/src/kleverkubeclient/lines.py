"""Lines of a response of any length: aiohttp's own reader refuses those of more than 128 KiB."""

import re
from collections.abc import AsyncIterator

import aiohttp

LINE = re.compile(rb"[^\n]*\n|[^\n]+")
LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of a line: objects have at most 3 MiB."""


async def lines_of(content: aiohttp.StreamReader, longest: int = LONGEST_LINE) -> AsyncIterator[bytes]:
    """Yield the lines of a response, with their line feeds; the last one may have none.

    Raises:
        ValueError: a line is longer than `longest` bytes.
    """
    parts: list[bytes] = []
    length = 0
    async for chunk in content.iter_any():
        for part in LINE.findall(chunk):
            parts.append(part)
            length += len(part)
            if length > longest:
                raise ValueError(f"a line has more than {longest} bytes")
            if part.endswith(b"\n"):
                yield b"".join(parts)
                parts, length = [], 0
    if parts:
        yield b"".join(parts)
