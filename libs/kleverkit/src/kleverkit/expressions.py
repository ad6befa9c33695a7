"""Validates regular expressions for the ingress with RE2, which is Envoy's engine."""

from collections.abc import Iterator

import re2

from kleverproto.serving_specs import ServingSpec

MAX_PROGRAM = 1000
"""Limit of instructions in a compiled expression; they determine its cost for each request."""


def expression_mistake(pattern: str) -> str | None:
    """The reason why the ingress would reject an expression, as a sentence; None if it is valid."""
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1  # Envoy matches bytes
    try:
        size = re2.compile(pattern.encode(), options=options).programsize
    except re2.error as error:
        why = error.args[0]
        return f"the ingress takes the syntax of RE2: {why.decode() if isinstance(why, bytes) else why}"
    if size > MAX_PROGRAM:
        return f"the expression compiles to {size} instructions, and the ingress takes {MAX_PROGRAM}: repeat less"
    return None


def expression_mistakes(spec: ServingSpec) -> Iterator[tuple[str, str]]:
    """The location and the mistake of each expression in a spec that the ingress would reject."""
    for number, rule in enumerate(spec.traffic.rules):
        for header, match in rule.headers.items():
            if match.regex is not None and (mistake := expression_mistake(match.regex)) is not None:
                yield f"spec.traffic.rules.{number}.headers.{header}.regex", mistake
