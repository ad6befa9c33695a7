"""Create models in OpenVINO's format with their expected answers: `python openvino_models.py <directory>`."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import sys
from pathlib import Path

import numpy as np
import openvino
from cases import place, write
from openvino import opset13 as ops


def main(root: Path) -> None:
    """Create models with numbers and text, computed and passed through."""
    generator = np.random.default_rng(1)
    x, weights = (generator.normal(size=size).astype(np.float32) for size in ((6, 4), (4, 3)))
    words = np.array(["a", "é", "", "four", "5", "six six"], object)
    numbers, text = ops.parameter([-1, 4], openvino.Type.f32, name="x"), ops.parameter([-1], openvino.Type.string)
    product = ops.matmul(numbers, ops.constant(weights), transpose_a=False, transpose_b=False)
    for node, name in ((numbers, "x"), (text, "words"), (product, "product")):
        node.output(0).set_names({name})
    model = openvino.Model([ops.result(product), ops.result(text)], [numbers, text], "test")
    directory = place(root, "openvino")
    openvino.save_model(model, directory / "model" / "model.xml", compress_to_fp16=False)
    write(
        directory, "OpenVINO", {"x": ("FP32", x), "words": ("BYTES", words)}, {"product": x @ weights, "words": words}
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
