"""The comparison of a version with its source, as the commands show it."""

import pytest

from klever.cli.commands import models, servings
from klever.cli.commands.models import describe
from klever.cli.serving_output import summary
from kleverproto.models import ModelDocument, ModelMetadata
from kleverproto.servings import ServingDocument
from support.gateway import serving_document, version_document
from support.golden_events import STATUS

REASON = "the check crashed"
UNVERIFIED = {"klever.dev/converted-from": "library/iris@sha256:1", "klever.dev/unverified": REASON}
VERIFIED = {"klever.dev/converted-from": "library/iris@sha256:1", "klever.dev/measured-error": "0.012"}


def version(labels: dict[str, str]) -> ModelDocument:
    document = version_document()
    metadata = ModelMetadata(format="ONNX", labels=labels)
    return document.model_copy(update={"spec": document.spec.model_copy(update={"metadata": metadata})})


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        (UNVERIFIED, f"verified:    no, {REASON}"),
        (VERIFIED, "verified:    outputs differ from those of the source by at most 1.2 % of their range"),
    ],
    ids=["unverified", "verified"],
)
def test_a_converted_version_shows_its_comparison(labels: dict[str, str], line: str) -> None:
    assert line in list(describe(version(labels)))


@pytest.mark.parametrize(("labels", "mark"), [(UNVERIFIED, "no"), (VERIFIED, "yes"), ({}, "-")])
def test_the_list_of_versions_marks_unverified_ones(labels: dict[str, str], mark: str) -> None:
    assert models.row(version(labels))[4] == mark


def running(unverified: str) -> ServingDocument:
    document = serving_document()
    variant = STATUS[0].model_copy(update={"digest": document.spec.variants[0].digest, "unverified": unverified})
    return document.model_copy(update={"status": document.status.model_copy(update={"variants": (variant,)})})


def test_a_serving_shows_that_a_variant_is_not_verified() -> None:
    assert any(line.strip() == f"not verified: {REASON}" for line in summary(running(REASON)))
    assert not any("verified" in line for line in summary(running("")))


def test_the_list_of_servings_shows_it_beside_the_version() -> None:
    assert servings.row(running(REASON))[3].endswith(" % not verified")
    assert servings.row(running(""))[3].endswith(" %")
