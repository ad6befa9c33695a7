"""How a model's signature and scan are shown."""

from collections.abc import Iterator

from kleverproto.scans import Scan
from kleverproto.signatures import Parameters, Signature, Tensor

SHOWN = 10
"""Findings of a scan; the rest are counted."""


def describe_signature(signature: Signature) -> Iterator[str]:
    """Inputs, outputs, operators and weights, line by line."""
    for title, tensors in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        if tensors:
            yield f"  {title}:"
            yield from (f"    {_tensor(tensor)}" for tensor in tensors)
    if signature.operators:
        yield f"  operators: {', '.join(f'{name} {count}' for name, count in signature.operators.items())}"
    if signature.parameters:
        yield f"  parameters: {_weights(signature.parameters)}"
    made_by = " ".join(part for part in (signature.framework, signature.framework_version) if part)
    if made_by:
        yield f"  made by: {made_by}"
    yield from (f"  {name} unknown: {reason}" for name, reason in signature.unknown.items())


def describe_scan(scan: Scan) -> Iterator[str]:
    """The verdict and the worst findings, line by line."""
    yield f"scan:        {scan.verdict} ({scan.scanner} {scan.scanner_version})"
    for finding in scan.findings[:SHOWN]:
        where = f"{finding.file} names {finding.what}" if finding.what else finding.file
        yield f"  {finding.severity}: {where}: {finding.reason}"
    if scan.untrusted:
        yield f"  a project trusts it by: {' '.join(f'--trust {name}' for name in scan.untrusted)}"
    if (more := len(scan.findings) - SHOWN) > 0:
        yield f"  and {more} more: --json shows them"


def _weights(found: Parameters) -> str:
    sizes = ", ".join(f"{dtype} {size} bytes" for dtype, size in found.bytes_by_dtype.items())
    return f"{found.count} ({sizes})" if sizes else str(found.count)


def _tensor(tensor: Tensor) -> str:
    shape = "unknown rank" if tensor.shape is None else f"[{', '.join(str(size) for size in tensor.shape)}]"
    values = f" one of {', '.join(tensor.values)}" if tensor.values else ""
    return f"{tensor.name}: {tensor.dtype or 'unknown type'} {shape}{values}"
