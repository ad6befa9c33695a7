"""Parses YAML from untrusted sources within limits of size, depth and number of values, with aliases expanded."""

from typing import Any, Final

import yaml

MOST_BYTES: Final = 256 * 1024
MOST_DEPTH: Final = 64
MOST_VALUES: Final = 50_000
"""Maximum number of keys, values and entries, counted for each alias ("billion laughs")."""


def load_yaml(text: str, *, most_bytes: int = MOST_BYTES) -> Any:
    """Parse the only document of a YAML text, with plain types only.

    Args:
        text: the YAML.
        most_bytes: maximum size.

    Raises:
        ValueError: it is not YAML, or exceeds a limit; the message names the limit.
    """
    if len(text.encode(errors="surrogatepass")) > most_bytes:
        raise ValueError(f"it has more than {most_bytes} bytes")
    loader = yaml.CSafeLoader(text)
    try:
        _check_events(text)  # the loader is recursive in C, where deep nesting crashes the process
        node = loader.get_single_node()
        if node is None:
            return None
        _Measure().size(node, 0)
        return loader.construct_document(node)
    except (yaml.YAMLError, ArithmeticError) as error:
        raise ValueError(str(error)) from error
    finally:
        loader.dispose()


_TOO_DEEP = f"it is nested more than {MOST_DEPTH} levels deep, or contains itself"
_TOO_MANY = f"it has more than {MOST_VALUES} values with aliases expanded"


def _check_events(text: str) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if count > 2 * MOST_VALUES:
            raise ValueError(_TOO_MANY)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MOST_DEPTH:
            raise ValueError(_TOO_DEEP)


class _Measure:
    """Counts the values of a document. A part that aliases repeat is visited once, but counted for each alias."""

    def __init__(self) -> None:
        self._sizes: dict[int, tuple[int, int]] = {}
        """For each visited node, its number of values and its depth."""

    def size(self, node: yaml.Node, depth: int) -> tuple[int, int]:
        if depth > MOST_DEPTH:
            raise ValueError(_TOO_DEEP)
        if id(node) not in self._sizes:
            parts = [self.size(child, depth + 1) for child in _children(node)]
            values = 1 + sum(count for count, _ in parts)
            levels = 1 + max((level for _, level in parts), default=0)
            if values > MOST_VALUES:
                raise ValueError(_TOO_MANY)
            self._sizes[id(node)] = values, levels
        values, levels = self._sizes[id(node)]
        if depth + levels > MOST_DEPTH + 1:
            raise ValueError(_TOO_DEEP)
        return values, levels


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []
