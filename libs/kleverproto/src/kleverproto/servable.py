"""Whether a model version may be loaded, and whether anything could serve it. Gateway and deployer decide by this.

Documents may change between the two: what one has let pass, the other may refuse.
"""

import re

from . import safety
from .codes import INVALID_MODEL, UNSERVABLE_MODEL
from .models import ExtractionPhase, ModelDocument
from .projects import OnInvalid, OnUnsafe, ProjectPolicy
from .refusals import Refusal
from .signatures import NO_PLAIN_TENSOR, NO_TENSOR, UNKNOWN_ELEMENTS, UNSAID_ELEMENTS, Signature, Tensor

_NOT_CARRIED = re.compile(r"bfloat16|float[468]_\w+|nf4|u?int[1-7]|qu?int\d+|complex\w+")
"""Types of tensors that the inference protocol does not support, by their names in numpy, ml_dtypes and
frameworks."""
_NOT_ANSWERED = (UNKNOWN_ELEMENTS,)
_NOT_SENT = (UNKNOWN_ELEMENTS, UNSAID_ELEMENTS, NO_TENSOR, NO_PLAIN_TENSOR)
"""Servers leave out an output that is no tensor, or make tensors of it; an input has to be one."""

_EXPORT = "export the model with a tensor of float32 or another type of the protocol there, and cast inside the model"


def missing_knowledge(document: ModelDocument, policy: ProjectPolicy) -> str | None:
    """What is still missing of a version that its project requires: `scanned` or `parsed`."""
    if policy.scan is OnUnsafe.BLOCK and not safety.is_scanned(document):
        return "scanned"
    if policy.invalid is OnInvalid.BLOCK and document.status.extraction is ExtractionPhase.PENDING:
        return "parsed"
    return None


def refusal(document: ModelDocument, digest: str | None, policy: ProjectPolicy) -> Refusal | None:
    """Why a project does not let these bytes of a version be loaded; None where it does.

    Args:
        document: the version.
        digest: which of its manifests; None for the present one.
        policy: of the version's project.
    """
    if policy.scan is OnUnsafe.BLOCK and (refused := safety.refusal(document, digest, policy)):
        return refused
    return _not_parsed(document, digest) if policy.invalid is OnInvalid.BLOCK else None


def unservable(document: ModelDocument, digest: str | None) -> Refusal | None:
    """Why no model server of the platform could serve these bytes, according to their signature; else None."""
    signature = _signature(document, digest)
    reason = signature and (cannot_be_called(signature) or _not_carried(signature))
    return Refusal(UNSERVABLE_MODEL, f"{document.spec.ref} cannot be served: {reason}") if reason else None


def unconvertible(document: ModelDocument) -> Refusal | None:
    """Why a version cannot be converted, according to its signature; else None."""
    signature = _signature(document, None)
    reason = signature and cannot_be_called(signature)
    return Refusal(UNSERVABLE_MODEL, f"{document.spec.ref} cannot be converted: {reason}") if reason else None


def cannot_be_called(signature: Signature) -> str | None:
    """Why a model cannot be run, with what to do; None if it can.

    A SavedModel names the signature that is served, or none where it has none.
    """
    if "signature" not in signature.details or signature.details["signature"] is not None:
        return None
    return (
        "it is a SavedModel without a signature that can be called: save it with "
        'tf.saved_model.save(model, directory, signatures={"serving_default": model.call}) and push it again'
    )


def _not_parsed(document: ModelDocument, digest: str | None) -> Refusal | None:
    ref, status = document.spec.ref, document.status
    allow = f"or allow it with `klever projects policy set {ref.project} --invalid warn`"
    if digest not in {None, document.spec.digest}:
        phases = [entry.extraction for entry in status.history if entry.digest == digest]
        if phases[-1:] != [ExtractionPhase.FAILED]:
            return None
        return Refusal(INVALID_MODEL, f"{digest} of {ref} could not be parsed: tag it again to see why, {allow}")
    if status.extraction is not ExtractionPhase.FAILED:
        return None
    problem = status.problem
    reason = problem.message if problem else "see `klever models get` for why"
    again = "put that right and push it again"
    if problem and problem.code != INVALID_MODEL:
        again = f"try it again with `klever jobs create {ref}`"
    return Refusal(INVALID_MODEL, f"{ref} could not be parsed: {reason}. Nothing loads it until then: {again}, {allow}")


def _signature(document: ModelDocument, digest: str | None) -> Signature | None:
    return document.status.signature if digest in {None, document.spec.digest} else None


def _not_carried(signature: Signature) -> str | None:
    """An input that cannot be sent, or outputs of which none can be answered."""
    inputs = [reason for tensor in signature.inputs if (reason := _unsent(tensor, signature))]
    outputs = [reason for tensor in signature.outputs if (reason := _unanswered(tensor, signature))]
    if inputs:
        return f"{inputs[0]}: {_EXPORT}"
    return f"{outputs[0]}: {_EXPORT}" if outputs and len(outputs) == len(signature.outputs) else None


def _unsent(tensor: Tensor, signature: Signature) -> str | None:
    return _untyped("input", tensor, signature, _NOT_SENT) or _of_another_type("input", tensor)


def _unanswered(tensor: Tensor, signature: Signature) -> str | None:
    return _untyped("output", tensor, signature, _NOT_ANSWERED) or _of_another_type("output", tensor)


def _untyped(side: str, tensor: Tensor, signature: Signature, reasons: tuple[str, ...]) -> str | None:
    """A reason counts by how it begins: a tensor may be called as a field of signatures is, such as `outputs`."""
    reason = signature.unknown.get(tensor.name, "")
    if tensor.dtype is not None or not reason.startswith(reasons):
        return None
    return f"the type of its {side} {tensor.name!r} is not known ({reason})"


def _of_another_type(side: str, tensor: Tensor) -> str | None:
    if tensor.dtype is None or not _NOT_CARRIED.fullmatch(tensor.dtype):
        return None
    return f"its {side} {tensor.name!r} is of type {tensor.dtype}, which the inference protocol does not support"
