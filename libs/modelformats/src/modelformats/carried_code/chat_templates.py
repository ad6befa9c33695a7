"""Chat templates of language models are Jinja programs. Engines run them in a sandbox, which templates can attack."""

import re
from collections.abc import Iterator

from .finding import Carried, untrusted

ATTACKS = re.compile(
    r"__|\battr\b|\bmro\b|\bgr_frame\b|\bgi_frame\b|\bimport\b|\binclude\b|\bcycler\b|\blipsum\b|\bjoiner\b"
)
"""Names that lead from a value to Python's own objects; templates of published models do not use them."""


def code_of_template(template: str) -> Iterator[Carried]:
    """Yield the finding on a template, if any."""
    if match := ATTACKS.search(template):
        yield untrusted(
            "gguf", "chat_template", f"the chat template uses {match[0]!r}, which gives access to Python's objects"
        )
