"""Run a Caffe model once, with OpenCV."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

import cv2
import numpy as np

from ..program import INVALID_MODEL, ProblemError, Request, main, versions
from ..samples import first_that_runs, matched, read_samples, write_results
from .nets import declared_shapes, read_layers


def convert(request: Request) -> dict[str, str]:
    """Set the inputs, run forward, and write the outputs that no layer consumes."""
    net, layers = read_layers(request)
    names = [name for name, _ in declared_shapes(net, layers)]
    path, weights = request.files
    try:
        model = cv2.dnn.readNetFromCaffe(str(path), str(weights))
        model.setInputsNames(names)
        for name, values in matched(read_samples(request), names).items():
            model.setInput(values.astype(np.float32), name)
        ends = list(model.getUnconnectedOutLayersNames())
        results = dict(zip(ends, model.forward(ends), strict=True))
    except cv2.error as error:
        raise ProblemError(INVALID_MODEL, f"OpenCV cannot run {path.name}: {error.err}") from error
    write_results(request, results)
    return versions("opencv-python-headless")


if __name__ == "__main__":
    main(first_that_runs(convert))
