"""JSON and YAML from untrusted sources: limited in size, depth and number of values."""

from collections.abc import Callable
from typing import Any

import pytest

from modelformats import bounded_json, bounded_yaml
from modelformats.bounded_json import load_json
from modelformats.bounded_yaml import load_yaml

LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(9))
DEEP_JSON, DEEP_YAML = bounded_json.MOST_DEPTH, bounded_yaml.MOST_DEPTH


@pytest.mark.parametrize(
    ("load", "text", "says"),
    [
        (load_json, "[" * 100_000, "nested more than 64"),
        (load_json, '{"a":' * (DEEP_JSON + 1) + "1" + "}" * (DEEP_JSON + 1), "nested more than 64"),
        (load_json, "[" + "1," * bounded_json.MOST_VALUES + "1]", "values"),
        (load_json, "[" + "{}," * bounded_json.MOST_VALUES + "1]", "values"),
        (load_json, '["' + " " * bounded_json.MOST_BYTES + '"]', "bytes"),
        (load_json, '["' + "[" * 100_000, "Unterminated"),
        (load_json, '["' + '\\"' * 100_000, "Unterminated"),
        (load_json, "1" * 10_000, "digits"),
        (load_json, b"\xff", "codec"),
        (load_yaml, "[" * 100_000, "nested more than 64"),
        (load_yaml, "- " * 1000 + "x", "nested more than 64"),
        (load_yaml, LAUGHS, "with aliases expanded"),
        (load_yaml, "a: &a [*a]", "contains itself"),
        (load_yaml, "[" + "1," * (2 * bounded_yaml.MOST_VALUES) + "1]", "values"),
        (load_yaml, "a: " + "x" * bounded_yaml.MOST_BYTES, "bytes"),
        (load_yaml, "!!python/object/apply:os.system ['true']", "constructor"),
        (load_yaml, "a: 1" + ":1" * 1000 + ".5", "too large"),
    ],
)
def test_a_document_over_a_limit_is_refused_with_the_limit(load: Callable[[Any], Any], text: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        load(text)


@pytest.mark.parametrize(
    ("load", "text", "expected"),
    [
        (load_json, b"\xef\xbb\xbf{}", {}),
        (load_json, '["' + '[{,\\"' * 100_000 + '"]', ['[{,"' * 100_000]),
        (load_yaml, "", None),
        (load_yaml, "a: &a {b: 1}\nc: {<<: *a, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
    ],
)
def test_a_document_within_the_limits_is_read(load: Callable[[Any], Any], text: Any, expected: Any) -> None:
    assert load(text) == expected


def test_brackets_in_strings_do_not_count() -> None:
    assert load_json("[" * 60 + '"' + "[" * 100 + '"' + "]" * 60)
