"""Model formats, one module for each: detection, validation and signature, without any framework."""

from .catalogue import KNOWN_FORMATS, detect_format, extract_signature, validate_layout
from .errors import InvalidModelError, UnsupportedFormatError
from .pointers import refuse_pointers
from .preloading import preload

__all__ = [
    "KNOWN_FORMATS",
    "InvalidModelError",
    "UnsupportedFormatError",
    "detect_format",
    "extract_signature",
    "preload",
    "refuse_pointers",
    "validate_layout",
]
