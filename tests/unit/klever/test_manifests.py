import pytest

from klever.errors import InputError
from klever.manifests import read_manifests

GOOD = """\
apiVersion: klever.dev/v1alpha1
kind: Serving
metadata: {name: iris}
spec:
  variants: [{name: v1, model: "library/iris:v1"}]
  traffic: {weights: {v1: 100}}
"""


def test_the_documents_of_a_file_are_read_in_order() -> None:
    manifests = read_manifests(
        f"{GOOD}---\n{GOOD.replace('{name: iris}', '{name: other, namespace: lab}')}---\n", "s.yaml"
    )
    assert [(each.metadata.namespace, each.metadata.name) for each in manifests] == [
        ("default", "iris"),
        ("lab", "other"),
    ]


def test_every_problem_is_reported_with_its_document_and_field() -> None:
    wrong = GOOD.replace("v1: 100", "v1: 90, v2: 5").replace("library/iris:v1", "iris") + "policy: x\n"
    with pytest.raises(InputError) as raised:
        read_manifests(f"{GOOD}---\n{wrong}", "s.yaml")
    message = str(raised.value)
    assert message.startswith("s.yaml, document 2 is not valid:\n")
    assert "  spec.variants.0.model: " in message
    assert "  spec.traffic.weights.v2: there is no variant v2; there are v1" in message
    assert "  spec.traffic.weights: the weights sum to 95, not 100" in message
    assert "  unknown key policy; the keys here are" in message


@pytest.mark.parametrize(("text", "complaint"), [("a: [", "is not YAML"), ("---\n", "contains no document")])
def test_a_file_without_a_document_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read_manifests(text, "s.yaml")
