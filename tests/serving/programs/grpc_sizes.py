"""Sends requests of several sizes by gRPC: address, model, input, datatype, sizes in bytes, each maybe with `gzip:`.

Prints the outcome for each size as JSON: the number of returned rows, or the status and its message.
"""

import json
import sys

import numpy as np
from tritonclient import grpc
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

COLUMNS = 4
HEADERS = {"seldon": "iris", "namespace": "default"}


def ask(client: grpc.InferenceServerClient, model: str, asked: grpc.InferInput, compression: str | None) -> object:
    try:
        answer = client.infer(model, [asked], headers=HEADERS, compression_algorithm=compression)
    except InferenceServerException as error:
        return {"status": error.status(), "message": error.message()}
    return answer.get_response().outputs[0].shape[0]


def main(address: str, model: str, name: str, datatype: str, *sizes: str) -> None:
    kind = triton_to_np_dtype(datatype)
    ended = []
    with grpc.InferenceServerClient(address) as client:
        for size in sizes:
            compression, _, number = size.rpartition(":")
            rows = int(number) // (COLUMNS * np.dtype(kind).itemsize)
            asked = grpc.InferInput(name, [rows, COLUMNS], datatype)
            asked.set_data_from_numpy(np.ones((rows, COLUMNS), kind))
            ended.append(ask(client, model, asked, compression or None))
    print(json.dumps(ended))


if __name__ == "__main__":
    main(*sys.argv[1:])
