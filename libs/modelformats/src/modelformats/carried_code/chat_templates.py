"""Chat templates of language models: Jinja programs. Engines run them in a sandbox, and templates can attack it."""

import re
from collections.abc import Iterator

from .finding import Carried, untrusted

ATTACKS = re.compile(
    r"__|\battr\b|\bmro\b|\bgr_frame\b|\bgi_frame\b|\bimport\b|\binclude\b|\bcycler\b|\blipsum\b|\bjoiner\b"
)
"""What leads from a value to Python's own objects; no template of a published model needs any."""


def code_of_template(template: str) -> Iterator[Carried]:
    """The finding on a template, if any."""
    if match := ATTACKS.search(template):
        yield untrusted(
            "gguf", "chat_template", f"the chat template uses {match[0]!r}, which reaches for Python's objects"
        )
