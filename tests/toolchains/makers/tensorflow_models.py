"""Create TensorFlow models with TensorFlow: `python tensorflow_models.py <directory>`, one directory for each model."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


def cnn() -> Any:
    """Convolution, batch normalisation with trained-like statistics, pooling; logits, which do not saturate."""
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1), name="image"),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ]
    )
    generator = np.random.default_rng(1)
    gamma, beta, mean, _ = model.layers[1].get_weights()
    noise = [generator.normal(size=mean.shape) for _ in range(2)]
    model.layers[1].set_weights([gamma, beta + noise[0], noise[1], generator.uniform(0.5, 2, mean.shape)])
    return model


def two_in_two_out() -> Any:
    """Inputs of two types, a recurrent layer over any length, two outputs."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    extra = keras.Input((3,), name="extra")
    state = keras.layers.LSTM(6)(keras.layers.Embedding(10, 4)(tokens))
    joined = keras.layers.Concatenate()([state, extra])
    return keras.Model(
        [tokens, extra], [keras.layers.Dense(2, name="a")(joined), keras.layers.Dense(1, name="b")(joined)]
    )


def of_dictionaries() -> Any:
    """Inputs and outputs by unordered keys; each output has a different size, so that a swap is detected."""
    zeta, alpha = keras.Input((3,), name="zeta"), keras.Input((3,), name="alpha")
    second = keras.layers.Subtract(name="second_raw")([keras.layers.Rescaling(10.0)(zeta), alpha])
    first = keras.layers.Rescaling(1.0, offset=100.0, name="first_raw")(alpha)
    return keras.Model({"zeta": zeta, "alpha": alpha}, {"second": second, "first": first})


def keras_2() -> Any:
    """A model of Keras 2, whose files Keras 3 describes differently."""
    return tf_keras.Sequential(
        [
            tf_keras.layers.Input((8,), name="x"),
            tf_keras.layers.Dense(5, activation="tanh"),
            tf_keras.layers.Dense(3),
        ]
    )


def frozen(model: Any) -> bytes:
    """The model's graph with its weights as constants, as frozen by TensorFlow 1."""
    function = tf.function(model).get_concrete_function(tf.TensorSpec((None, 12, 12, 1), tf.float32, name="x"))
    return bytes(convert_variables_to_constants_v2(function).graph.as_graph_def().SerializeToString())


def quantised(model: Any) -> bytes:
    """Weights and activations of 8 bits, inputs and outputs too."""
    generator = np.random.default_rng(2)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [generator.standard_normal((1, 12, 12, 1)).astype(np.float32)] for _ in range(20)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


class TwoSignatures(tf.Module):  # type: ignore[misc]  # the base is untyped
    """A model with two signatures, neither under the default name; one uses an operator that ONNX lacks."""

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def double(self, x: Any) -> dict[str, Any]:
        """An operation that ONNX supports."""
        return {"twice": x * 2.0 + 1.0}

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def foreign(self, x: Any) -> dict[str, Any]:
        """An operation that ONNX lacks."""
        return {"y": tf.math.igamma(tf.abs(x), 2.0)}


def save_two_signatures(directory: Path) -> None:
    """Save the model with tf.saved_model.save."""
    module = TwoSignatures()
    tf.saved_model.save(module, directory, signatures={"double": module.double, "foreign": module.foreign})


def with_lambda() -> Any:
    """A model with a layer that is Python code."""
    return tf_keras.Sequential([tf_keras.layers.Input((2,)), tf_keras.layers.Lambda(lambda x: x * 2)])


def spectrum() -> bytes:
    """A model with RFFT2D, which neither ONNX nor OpenVINO supports."""

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8), tf.float32)])  # type: ignore[untyped-decorator]
    def call(image: Any) -> Any:
        return tf.abs(tf.signal.rfft2d(image))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()], tf.Module())
    return bytes(converter.convert())


MODELS: dict[str, Callable[[Path], object]] = {
    "h5": lambda path: cnn().save(path / "model.h5"),
    "h5-of-keras-2": lambda path: keras_2().save(path / "model.h5"),
    "h5-with-lambda": lambda path: with_lambda().save(path / "model.h5"),
    "h5-weights": lambda path: keras_2().save_weights(path / "model.h5"),
    "keras": lambda path: two_in_two_out().save(path / "model.keras"),
    "keras-of-dictionaries": lambda path: of_dictionaries().save(path / "model.keras"),
    "h5-of-dictionaries": lambda path: of_dictionaries().save(path / "model.h5"),
    "savedmodel": lambda path: cnn().export(path, format="tf_saved_model", verbose=False),
    "savedmodel-of-two": save_two_signatures,
    "graphdef": lambda path: (path / "model.graphdef").write_bytes(frozen(cnn())),
    "tflite": lambda path: (path / "model.tflite").write_bytes(
        tf.lite.TFLiteConverter.from_keras_model(cnn()).convert()
    ),
    "tflite-spectrum": lambda path: (path / "model.tflite").write_bytes(spectrum()),
    "tflite-int8": lambda path: (path / "model.tflite").write_bytes(quantised(cnn())),
}

if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    for name, make in MODELS.items():
        directory = Path(sys.argv[1], name)
        directory.mkdir()
        make(directory)
    copytree(
        Path(sys.argv[1], "savedmodel"),
        Path(sys.argv[1], "savedmodel-without-variables"),
        ignore=ignore_patterns("variables"),
    )
