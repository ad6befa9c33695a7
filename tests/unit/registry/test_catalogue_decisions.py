"""The catalogue after a push, a job or a deletion."""

from datetime import timedelta

from klever_registry.domain import catalogue
from klever_registry.domain.catalogue import AttachedSignature, Extraction
from kleverproto.documents import Intent, Problem
from kleverproto.models import ExtractionPhase, ModelDocument, ModelMetadata, ModelSpec
from kleverproto.references import ModelRef
from kleverproto.scans import Finding, Scan
from support import oci_artifacts as oci
from support.golden_events import DIGEST, NOW, PROBLEM, REF, REGISTRY, SIGNATURE

OTHER = f"sha256:{'cd' * 32}"
LATER = NOW + timedelta(hours=1)
KNOWN = AttachedSignature(SIGNATURE, OTHER)


def outcome(sequence: int) -> Intent:
    return Intent(sequence=sequence, event_id=f"outcome-{sequence}", correlation_id="push")


FIRST, SECOND, THIRD = (outcome(number) for number in (1, 2, 3))

SCAN = Scan(
    verdict="dangerous",
    findings=(Finding(file="model.pkl", what="os.system", severity="dangerous", reason="it runs commands"),),
    scanner="klever",
    scanner_version="1.0.5",
)


def spec(digest: str = DIGEST, ref: ModelRef = REF) -> ModelSpec:
    return ModelSpec(ref=ref, digest=digest, registry=REGISTRY, artifact_type=oci.MODEL, size=5)


def first(*, announced: bool = True) -> ModelDocument:
    document = catalogue.pushed(None, spec(), now=NOW, known=None)
    assert document is not None
    return (catalogue.announced(document, 1, 7) or document) if announced else document


def test_a_first_push_is_generation_one_and_must_be_announced() -> None:
    document = first(announced=False)
    assert (document.generation, document.created_at, document.updated_at) == (1, NOW, NOW)
    assert document.status.extraction is ExtractionPhase.PENDING
    assert catalogue.needs_announcing(document)


def test_a_repeated_push_changes_nothing() -> None:
    assert catalogue.pushed(first(), spec(), now=LATER, known=None) is None


def test_a_new_digest_is_a_new_generation_without_results() -> None:
    parsed = catalogue.extracted(first(), DIGEST, Extraction("job", attached=KNOWN), FIRST, now=NOW)
    document = catalogue.pushed(parsed, spec(OTHER), now=LATER, known=None)
    assert document is not None
    assert (document.generation, document.created_at, document.updated_at) == (2, NOW, LATER)
    assert document.status.signature is None
    assert document.status.extraction is ExtractionPhase.PENDING
    assert [entry.digest for entry in document.status.history] == [DIGEST, OTHER]
    assert catalogue.needs_announcing(document)


def test_a_known_signature_is_available_at_once() -> None:
    document = catalogue.pushed(None, spec(), now=NOW, known=KNOWN)
    assert document is not None
    assert document.status.extraction is ExtractionPhase.SUCCEEDED
    assert (document.status.signature, document.status.signature_digest) == (SIGNATURE, OTHER)


def test_a_new_address_of_the_registry_is_not_a_new_generation() -> None:
    document = catalogue.pushed(first(), spec().model_copy(update={"registry": "b:1"}), now=LATER, known=None)
    assert document is not None
    assert (document.spec.registry, document.generation) == ("b:1", 1)
    assert not catalogue.needs_announcing(document)


def test_only_the_newest_history_is_kept() -> None:
    document: ModelDocument | None = None
    for number in range(catalogue.HISTORY_LIMIT + 5):
        document = catalogue.pushed(document, spec(f"sha256:{number:064x}"), now=NOW, known=None)
    assert document is not None
    assert len(document.status.history) == catalogue.HISTORY_LIMIT
    assert document.status.history[-1].digest == document.spec.digest


def test_an_announcement_is_recorded_once_and_never_reset() -> None:
    assert first().status.announced_sequence == 7
    assert catalogue.announced(first(), 1, 8) is None
    assert catalogue.announced(None, 1, 8) is None


def test_a_job_about_other_bytes_changes_nothing() -> None:
    assert catalogue.extracted(first(), OTHER, Extraction("job", attached=KNOWN), FIRST, now=NOW) is None
    assert catalogue.extracted(None, DIGEST, Extraction("job", attached=KNOWN), FIRST, now=NOW) is None


def test_a_signature_replaces_a_problem_and_is_stored_once() -> None:
    failed = catalogue.extracted(first(), DIGEST, Extraction("job", problem=PROBLEM), FIRST, now=NOW)
    assert failed is not None
    assert (failed.status.extraction, failed.status.problem) == (ExtractionPhase.FAILED, PROBLEM)
    again = Extraction("job", attached=KNOWN)
    done = catalogue.extracted(failed, DIGEST, again, SECOND, now=LATER)
    assert done is not None
    assert (done.status.extraction, done.status.problem, done.status.job_id) == ("Succeeded", None, "job")
    assert catalogue.extracted(done, DIGEST, again, SECOND, now=LATER) is None


def test_a_format_without_a_parser_is_not_a_failure() -> None:
    problem = Problem(code="unsupported_format", message="nobody reads this")
    assert Extraction("job", problem=problem).phase is ExtractionPhase.UNSUPPORTED


def test_an_outcome_that_arrives_after_a_later_one_changes_nothing() -> None:
    done = catalogue.extracted(first(), DIGEST, Extraction("job", attached=KNOWN, scan=SCAN), SECOND, now=NOW)
    late = Extraction("job", problem=PROBLEM, scan=SCAN.model_copy(update={"verdict": "clean"}))
    assert catalogue.extracted(done, DIGEST, late, FIRST, now=LATER) is None
    assert catalogue.scanned(done, DIGEST, SCAN.model_copy(update={"verdict": "clean"}), FIRST, now=LATER) is None


def test_a_later_outcome_with_the_same_content_still_counts_as_the_later_one() -> None:
    done = catalogue.extracted(first(), DIGEST, Extraction("job", attached=KNOWN), FIRST, now=NOW)
    again = catalogue.extracted(done, DIGEST, Extraction("job", attached=KNOWN), THIRD, now=LATER)
    assert again is not None
    assert again.updated_at == NOW
    assert catalogue.extracted(again, DIGEST, Extraction("job", problem=PROBLEM), SECOND, now=LATER) is None


def test_a_late_extraction_is_stored_without_its_superseded_scan() -> None:
    rescanned = catalogue.scanned(first(), DIGEST, SCAN, SECOND, now=NOW)
    safe = SCAN.model_copy(update={"verdict": "clean"})
    done = catalogue.extracted(rescanned, DIGEST, Extraction("job", attached=KNOWN, scan=safe), FIRST, now=LATER)
    assert done is not None
    assert (done.status.extraction, done.status.scan) == (ExtractionPhase.SUCCEEDED, SCAN)


def versions(*tags: str) -> tuple[ModelRef, ...]:
    return tuple(ModelRef.parse(f"library/iris:{tag}") for tag in tags)


def at(ref: ModelRef, *, registry: str = REGISTRY, announced: bool = True) -> ModelDocument:
    return first(announced=announced).model_copy(
        update={"spec": spec(ref=ref).model_copy(update={"registry": registry})}
    )


def test_changed_tags_are_checked_and_missing_ones_count_as_lost() -> None:
    settled, moved, gone, fresh, image, lost = versions("s", "m", "g", "f", "i", "l")
    documents = [*map(at, (settled, moved, gone, lost)), at(fresh, announced=False)]
    tags = {settled: DIGEST, moved: OTHER, fresh: DIGEST, image: DIGEST}
    compared = catalogue.compare(tags, {gone}, documents, REGISTRY)
    assert compared == catalogue.Comparison(frozenset({moved, gone, fresh, image}), frozenset({lost}), 5)
    assert not compared.is_grave


def test_an_empty_registry_has_lost_its_models_and_deleted_none() -> None:
    known = versions("a", "b", "c")
    compared = catalogue.compare({}, set(), map(at, known), REGISTRY)
    assert (compared.differing, compared.lost) == (frozenset(), frozenset(known))
    assert compared.is_grave


def test_an_empty_registry_whose_models_were_all_deleted_has_lost_none() -> None:
    known = versions("a", "b")
    compared = catalogue.compare({}, set(known), map(at, known), REGISTRY)
    assert (compared.differing, compared.lost, compared.is_grave) == (frozenset(known), frozenset(), False)


def test_models_of_this_registry_are_checked_again_after_its_address_changed() -> None:
    (elsewhere,) = versions("elsewhere")
    compared = catalogue.compare({REF: DIGEST}, set(), [first(), at(elsewhere)], "127.0.0.1:5999")
    assert (compared.differing, compared.lost) == (frozenset({REF}), frozenset())


def test_another_registry_decides_about_its_own_models_and_unused_names() -> None:
    settled, moved, missing, new, taken = versions("v1", "v2", "v3", "v4", "v5")
    documents = [*map(at, (settled, moved, missing)), at(taken, registry="127.0.0.1:5999")]
    tags = {settled: DIGEST, moved: OTHER, new: DIGEST, taken: OTHER}
    compared = catalogue.compare_elsewhere(tags, documents, REGISTRY)
    assert compared == catalogue.Comparison(frozenset({moved, new}), frozenset({missing}), 3)


def test_a_scan_is_kept_with_its_digest_when_the_tag_moves() -> None:
    scanned = catalogue.scanned(first(), DIGEST, SCAN, FIRST, now=LATER)
    assert scanned is not None
    assert scanned.status.scan == SCAN
    assert catalogue.scanned(scanned, DIGEST, SCAN, FIRST, now=LATER) is None
    assert catalogue.scanned(scanned, OTHER, SCAN, FIRST, now=LATER) is None
    moved = catalogue.pushed(scanned, spec(OTHER), now=LATER, known=None)
    assert moved is not None
    assert moved.status.scan is None
    assert [entry.verdict for entry in moved.status.history] == ["dangerous", None]


def test_a_model_that_cannot_be_parsed_may_have_been_scanned() -> None:
    failed = catalogue.extracted(first(), DIGEST, Extraction("job", problem=PROBLEM, scan=SCAN), FIRST, now=NOW)
    assert failed is not None
    assert (failed.status.problem, failed.status.scan) == (PROBLEM, SCAN)


def test_a_parsing_outcome_is_kept_with_its_digest_when_the_tag_moves() -> None:
    failed = catalogue.extracted(first(), DIGEST, Extraction("job", problem=PROBLEM), FIRST, now=NOW)
    moved = catalogue.pushed(failed, spec(OTHER), now=LATER, known=None)
    assert moved is not None
    phases = [entry.extraction for entry in moved.status.history]
    assert phases == [ExtractionPhase.FAILED, ExtractionPhase.PENDING]


def test_a_warning_of_the_parser_is_a_warning_of_the_version() -> None:
    warned = AttachedSignature(SIGNATURE.model_copy(update={"warnings": ("it is big-endian",)}), OTHER)
    parsed = catalogue.extracted(first(), DIGEST, Extraction("job", attached=warned), FIRST, now=NOW)
    again = catalogue.pushed(None, spec(), now=NOW, known=warned)
    assert parsed is not None
    assert again is not None
    assert parsed.status.warnings == again.status.warnings == ("it is big-endian",)


def test_an_unverified_version_has_a_warning_parsed_or_not() -> None:
    labelled = ModelMetadata(labels={"klever.dev/unverified": "the check crashed"})
    document = catalogue.pushed(None, spec().model_copy(update={"metadata": labelled}), now=NOW, known=None)
    parsed = catalogue.extracted(document, DIGEST, Extraction("job", attached=KNOWN), FIRST, now=LATER)
    for version in (document, parsed):
        assert version is not None
        (warning,) = version.status.warnings
        assert warning.startswith("not verified: ")
        assert "the check crashed" in warning
