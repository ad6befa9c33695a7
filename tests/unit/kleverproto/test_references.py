"""Valid and invalid references to a model version."""

import pytest

from kleverproto.references import InvalidReferenceError, ModelRef, dns_label, names_registry


@pytest.mark.parametrize(
    ("text", "project", "model", "version"),
    [
        ("library/iris:v1", "library", "iris", "v1"),
        ("iris:v1", "library", "iris", "v1"),
        ("vision/team/resnet:2.0", "vision", "team/resnet", "2.0"),
    ],
)
def test_a_reference_is_project_model_version(text: str, project: str, model: str, version: str) -> None:
    ref = ModelRef.parse(text)
    assert (ref.project, ref.model, ref.version) == (project, model, version)


@pytest.mark.parametrize("text", ["library/iris", "Library/Iris:v1", "iris:", ":v1", "a/b:c/d", "iris:v 1", ""])
def test_an_invalid_reference_is_refused_with_the_syntax(text: str) -> None:
    with pytest.raises(InvalidReferenceError, match="project/model:version"):
        ModelRef.parse(text)


def test_keys_distinguish_versions_with_dots() -> None:
    assert ModelRef.parse("library/iris:v1.0").key == "library.iris.v1=2E0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("registry.example/iris:v1", True),
        ("registry:5000/iris", True),
        ("localhost/iris", True),
        ("library/iris:v1", False),
        ("library/team.a/iris", False),
        ("iris.2:v1", False),
        ("localhost", False),
    ],
)
def test_the_first_of_several_parts_is_a_registry_by_dockers_rule(text: str, expected: bool) -> None:  # noqa: FBT001
    assert names_registry(text) is expected


@pytest.mark.parametrize(
    ("text", "label"), [("v1", "v1"), ("v1.0_B", "v1-0-b"), ("___", "model"), ("9" * 99, "9" * 63)]
)
def test_any_text_becomes_a_dns_label(text: str, label: str) -> None:
    assert dns_label(text) == label
