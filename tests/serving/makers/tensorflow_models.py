"""Create TensorFlow models with TensorFlow's answers: `python tensorflow_models.py <directory>`."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from cases import place, write
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

GENERATOR = np.random.default_rng(1)


class TwoHeads(tf.Module):  # type: ignore[misc]  # the base is untyped
    """Two inputs of two types, and two outputs that the signature names."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(GENERATOR.normal(size=(4, 3)).astype(np.float32))

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x"), tf.TensorSpec((None,), tf.int32, name="row")]
    )
    def serve(self, x: Any, row: Any) -> dict[str, Any]:
        """Return scores, and the best one plus a number."""
        scores = tf.nn.softmax(tf.matmul(x, self.weights))
        return {"scores": scores, "best": tf.argmax(scores, axis=1) + tf.cast(row, tf.int64)}


def main(root: Path) -> None:
    """Create all models."""
    x, row = GENERATOR.normal(size=(6, 4)).astype(np.float32), np.arange(6, dtype=np.int32)
    module = TwoHeads()
    directory = place(root, "savedmodel")
    tf.saved_model.save(module, directory / "model", signatures={"serving_default": module.serve})
    answers = {name: value.numpy() for name, value in module.serve(x, row).items()}
    write(directory, "SavedModel", {"x": ("FP32", x), "row": ("INT32", row)}, answers)

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def score(x: Any) -> Any:
        return tf.nn.tanh(tf.matmul(x, module.weights), name="score")

    frozen = convert_variables_to_constants_v2(score.get_concrete_function())
    directory = place(root, "graphdef")
    (directory / "model" / "model.graphdef").write_bytes(frozen.graph.as_graph_def().SerializeToString())
    output = frozen.outputs[0].op.name
    write(directory, "GraphDef", {"x": ("FP32", x)}, {output: score(x).numpy()})
    write_lite(root, "tflite", score, module, x)

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8), tf.float32)])  # type: ignore[untyped-decorator]
    def spectrum(image: Any) -> Any:
        return tf.abs(tf.signal.rfft2d(image))

    # OpenVINO has no RFFT2D of two dimensions.
    write_lite(root, "tflite-spectrum", spectrum, module, GENERATOR.normal(size=(6, 8, 8)).astype(np.float32))
    write_unique(root)
    write_picky(root, module)


def write_unique(root: Path) -> None:
    """A regression test of OpenVINO: the distinct values of a vector, without the position of each."""
    module, x = tf.Module(), np.array([3, 3, 1, 2, 1, 3], np.float32)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def distinct(x: Any) -> dict[str, Any]:
        return {"distinct": tf.unique(x)[0] * 2.0}

    write_lite(root, "tflite-unique", distinct, module, x)
    module.distinct = distinct
    directory = place(root, "savedmodel-unique")
    tf.saved_model.save(module, directory / "model", signatures={"serving_default": distinct})
    write(directory, "SavedModel", {"x": ("FP32", x)}, {"distinct": distinct(x)["distinct"].numpy()})


def write_picky(root: Path, module: Any) -> None:
    """A TensorFlow Lite model that accepts three rows, but not the one with which an interpreter starts."""

    @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def picky(x: Any) -> Any:
        return tf.reshape(x, (2, 6)) * tf.range(6.0)

    write_lite(root, "tflite-picky", picky, module, np.arange(12, dtype=np.float32).reshape(3, 4))


def write_lite(root: Path, name: str, function: Any, module: Any, x: Any) -> None:
    """A function as a TensorFlow Lite model, with the answer of TensorFlow's interpreter."""
    directory = place(root, name)
    content = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], module).convert()
    (directory / "model" / "model.tflite").write_bytes(content)
    interpreter = tf.lite.Interpreter(model_content=content)
    (given,), (taken,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(given["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], x)
    interpreter.invoke()
    write(directory, "TFLite", {given["name"]: ("FP32", x)}, {taken["name"]: interpreter.get_tensor(taken["index"])})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
