"""Send a gRPC request: `python grpc_infer.py <host:port> <serving> <namespace> <case.json>`; prints outputs as JSON."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient import grpc

DTYPES = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "INT32": np.int32}


def main(address: str, name: str, namespace: str, case: Path) -> None:
    """Send one request, routed by its headers as with Seldon Core."""
    described = json.loads(case.read_text())
    with grpc.InferenceServerClient(address) as client:
        answer = client.infer(
            name, [_input(each) for each in described["inputs"]], headers={"seldon": name, "namespace": namespace}
        )
    names = [each.name for each in answer.get_response().outputs]
    print(json.dumps({each: answer.as_numpy(each).tolist() for each in names}))


def _input(tensor: dict[str, Any]) -> Any:
    values = np.array(tensor["data"], DTYPES[tensor["datatype"]]).reshape(tensor["shape"])
    made = grpc.InferInput(tensor["name"], tensor["shape"], tensor["datatype"])
    made.set_data_from_numpy(values)
    return made


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
