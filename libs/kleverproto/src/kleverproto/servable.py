"""Checks whether a model version may be loaded and can be served, for gateway and deployer.

Documents may change between the two checks: the deployer may reject a version that the gateway has accepted.
"""

import re

from . import safety
from .codes import INVALID_MODEL, UNSERVABLE_MODEL
from .models import ExtractionPhase, ModelDocument
from .projects import OnInvalid, OnUnsafe, ProjectPolicy
from .refusals import Refusal
from .signatures import NO_PLAIN_TENSOR, NO_TENSOR, UNDECLARED_ELEMENTS, UNKNOWN_ELEMENTS, Signature, Tensor

_UNSUPPORTED_TYPES = re.compile(r"bfloat16|float[468]_\w+|nf4|u?int[1-7]|qu?int\d+|complex\w+")
"""Types of tensors that the inference protocol does not support, by their names in numpy, ml_dtypes and
frameworks."""
_UNKNOWN_OUTPUT_REASONS = (UNKNOWN_ELEMENTS,)
_UNKNOWN_INPUT_REASONS = (UNKNOWN_ELEMENTS, UNDECLARED_ELEMENTS, NO_TENSOR, NO_PLAIN_TENSOR)
"""Reasons for inputs. An output that is not a tensor can be served: servers omit or convert it."""

_EXPORT = "export the model with a tensor of float32 or another type of the protocol there, and cast inside the model"


def missing_knowledge(document: ModelDocument, policy: ProjectPolicy) -> str | None:
    """Return the step that the project requires and that is pending for a version: `scanned`, `parsed` or None."""
    if policy.scan is OnUnsafe.BLOCK and not safety.is_scanned(document):
        return "scanned"
    if policy.invalid is OnInvalid.BLOCK and document.status.extraction is ExtractionPhase.PENDING:
        return "parsed"
    return None


def refusal(document: ModelDocument, digest: str | None, policy: ProjectPolicy) -> Refusal | None:
    """Return the reason why the policy does not permit loading these bytes of a version, or None.

    Args:
        document: the version.
        digest: digest of the manifest; None for the present one.
        policy: policy of the version's project.
    """
    if policy.scan is OnUnsafe.BLOCK and (refused := safety.refusal(document, digest, policy)):
        return refused
    return _parsing_refusal(document, digest) if policy.invalid is OnInvalid.BLOCK else None


def unservable(document: ModelDocument, digest: str | None) -> Refusal | None:
    """Return the reason why no model server of the platform supports the signature of these bytes, or None."""
    signature = _signature(document, digest)
    reason = signature and (cannot_be_called(signature) or _protocol_problem(signature))
    return Refusal(UNSERVABLE_MODEL, f"{document.spec.ref} cannot be served: {reason}") if reason else None


def unconvertible(document: ModelDocument) -> Refusal | None:
    """Return the reason why a version with this signature cannot be converted, or None."""
    signature = _signature(document, None)
    reason = signature and cannot_be_called(signature)
    return Refusal(UNSERVABLE_MODEL, f"{document.spec.ref} cannot be converted: {reason}") if reason else None


def cannot_be_called(signature: Signature) -> str | None:
    """Return the reason why a model cannot be called, with a remedy, or None.

    The details of a SavedModel contain the signature that is served, or None if it has no signature.
    """
    if "signature" not in signature.details or signature.details["signature"] is not None:
        return None
    return (
        "it is a SavedModel without a signature that can be called: save it with "
        'tf.saved_model.save(model, directory, signatures={"serving_default": model.call}) and push it again'
    )


def _parsing_refusal(document: ModelDocument, digest: str | None) -> Refusal | None:
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


def _protocol_problem(signature: Signature) -> str | None:
    """Return the reason if an input cannot be sent, or if no output can be returned; else None."""
    inputs = [reason for tensor in signature.inputs if (reason := _input_problem(tensor, signature))]
    outputs = [reason for tensor in signature.outputs if (reason := _output_problem(tensor, signature))]
    if inputs:
        return f"{inputs[0]}: {_EXPORT}"
    return f"{outputs[0]}: {_EXPORT}" if outputs and len(outputs) == len(signature.outputs) else None


def _input_problem(tensor: Tensor, signature: Signature) -> str | None:
    return _unknown_type("input", tensor, signature, _UNKNOWN_INPUT_REASONS) or _unsupported_type("input", tensor)


def _output_problem(tensor: Tensor, signature: Signature) -> str | None:
    return _unknown_type("output", tensor, signature, _UNKNOWN_OUTPUT_REASONS) or _unsupported_type("output", tensor)


def _unknown_type(side: str, tensor: Tensor, signature: Signature, reasons: tuple[str, ...]) -> str | None:
    """Match the reason by its beginning, not by the key: a tensor may have the name of a field, such as `outputs`."""
    reason = signature.unknown.get(tensor.name, "")
    if tensor.dtype is not None or not reason.startswith(reasons):
        return None
    return f"the type of its {side} {tensor.name!r} is not known ({reason})"


def _unsupported_type(side: str, tensor: Tensor) -> str | None:
    if tensor.dtype is None or not _UNSUPPORTED_TYPES.fullmatch(tensor.dtype):
        return None
    return f"its {side} {tensor.name!r} is of type {tensor.dtype}, which the inference protocol does not support"
