import pytest

from klever.errors import InputError
from klever.header_rules import describe_rule, parse_rule


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("v2:x-user=ann", {"x-user": ("exact", "ann")}),
        ("v2:X-Region^=eu-,x-user=a=b", {"x-region": ("prefix", "eu-"), "x-user": ("exact", "a=b")}),
        ("v2:user-agent=~curl/(7|8), .*", {"user-agent": ("regex", "curl/(7|8), .*")}),
    ],
)
def test_a_rule_is_read_with_every_kind_of_match(text: str, headers: dict[str, tuple[str, str]]) -> None:
    rule = parse_rule(text)
    assert rule.variant == "v2"
    assert {name: match.model_dump(exclude_none=True) for name, match in rule.headers.items()} == {
        name: {kind: value} for name, (kind, value) in headers.items()
    }
    assert parse_rule(describe_rule(rule)) == rule


@pytest.mark.parametrize("text", ["v2", "v2:x-user", "v2:=ann", ":x=1", "v2:x-user=~(", "V2!:x=1"])
def test_an_invalid_rule_is_refused_with_the_syntax(text: str) -> None:
    with pytest.raises(InputError, match="is not a valid rule"):
        parse_rule(text)
