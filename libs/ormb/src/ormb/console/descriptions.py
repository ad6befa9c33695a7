"""Descriptions of the signature and of the scan of a model, line by line."""

from collections.abc import Iterator

from kleverproto.scans import Scan
from kleverproto.signatures import Parameters, Signature, Tensor

SHOWN = 10
"""Number of findings that are shown; the remaining ones are counted."""


def describe_signature(signature: Signature) -> Iterator[str]:
    """Return the lines with inputs, outputs, operators and weights."""
    for title, tensors in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        if tensors:
            yield f"  {title}:"
            yield from (f"    {_tensor(tensor)}" for tensor in tensors)
    if signature.operators:
        yield f"  operators: {', '.join(f'{name} {count}' for name, count in signature.operators.items())}"
    if signature.parameters:
        yield f"  parameters: {_weights(signature.parameters)}"
    framework = " ".join(part for part in (signature.framework, signature.framework_version) if part)
    if framework:
        yield f"  framework: {framework}"
    yield from (f"  {name} unknown: {reason}" for name, reason in signature.unknown.items())


def describe_scan(scan: Scan) -> Iterator[str]:
    """Return the lines with the verdict and the worst findings."""
    yield f"scan:        {scan.verdict} ({scan.scanner} {scan.scanner_version})"
    for finding in scan.findings[:SHOWN]:
        source = f"{finding.file} names {finding.what}" if finding.what else finding.file
        yield f"  {finding.severity}: {source}: {finding.reason}"
    if scan.untrusted:
        yield f"  --trust options of a project policy: {' '.join(f'--trust {name}' for name in scan.untrusted)}"
    if (more := len(scan.findings) - SHOWN) > 0:
        yield f"  and {more} more findings; show them with --json"


def _weights(parameters: Parameters) -> str:
    sizes = ", ".join(f"{dtype} {size} bytes" for dtype, size in parameters.bytes_by_dtype.items())
    return f"{parameters.count} ({sizes})" if sizes else str(parameters.count)


def _tensor(tensor: Tensor) -> str:
    shape = "unknown rank" if tensor.shape is None else f"[{', '.join(str(size) for size in tensor.shape)}]"
    values = f" one of {', '.join(tensor.values)}" if tensor.values else ""
    return f"{tensor.name}: {tensor.dtype or 'unknown type'} {shape}{values}"
