"""Regular expressions that people write for the ingress, judged by RE2 itself, which is Envoy's engine."""

from collections.abc import Iterator

import re2

from kleverproto.serving_specs import ServingSpec

MAX_PROGRAM = 1000
"""Instructions of a compiled expression; what one costs at each request grows with them."""


def expression_mistake(pattern: str) -> str | None:
    """What is wrong with an expression, as a sentence; None where the ingress takes it."""
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
    """Place and sentence of every expression of a spec that the ingress would refuse."""
    for number, rule in enumerate(spec.traffic.rules):
        for header, match in rule.headers.items():
            if match.regex is not None and (mistake := expression_mistake(match.regex)) is not None:
                yield f"spec.traffic.rules.{number}.headers.{header}.regex", mistake
