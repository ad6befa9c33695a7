"""One gRPC request by Triton's own client: address, model, inputs as JSON; prints the outputs as JSON."""

import json
import sys

import numpy as np
from tritonclient import grpc
from tritonclient.utils import triton_to_np_dtype


def main(address: str, model: str, inputs: str) -> None:
    tensors = []
    for given in json.loads(inputs):
        tensor = grpc.InferInput(given["name"], given["shape"], given["datatype"])
        array = np.array(given["data"], dtype=triton_to_np_dtype(given["datatype"]))
        tensor.set_data_from_numpy(array.reshape(given["shape"]))
        tensors.append(tensor)
    with grpc.InferenceServerClient(address) as client:
        result = client.infer(model, tensors)
    outputs = {}
    for output in result.get_response().outputs:
        array = result.as_numpy(output.name)
        data = [value.decode() if isinstance(value, bytes) else value for value in array.ravel().tolist()]
        outputs[output.name] = {"datatype": output.datatype, "shape": list(array.shape), "data": data}
    print(json.dumps(outputs))


if __name__ == "__main__":
    main(*sys.argv[1:])
