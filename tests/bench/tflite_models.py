"""Make TensorFlow Lite models of several sizes: `python tflite_models.py <directory>`, in the toolchain tf."""

# mypy: disable-error-code="import-not-found,import-untyped"
# TensorFlow is installed in the toolchain, not in the workspace.

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

LAYERS, APPLICATIONS = tf.keras.layers, tf.keras.applications


def perceptron() -> Any:
    """Two layers for a row of eight numbers."""
    return tf.keras.Sequential([tf.keras.Input((8,)), LAYERS.Dense(32, "relu"), LAYERS.Dense(3, "softmax")])


def quantised(model: Any) -> bytes:
    """The model with weights and activations of eight bits."""
    generator = np.random.default_rng(1)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: [[generator.random((1, 224, 224, 3), np.float32)] for _ in range(3)]
    return bytes(converter.convert())


def main(root: Path) -> None:
    """Make them all."""
    networks = {"perceptron": perceptron(), "MobileNetV2": APPLICATIONS.MobileNetV2(weights=None)}
    networks["ResNet50"] = APPLICATIONS.ResNet50(weights=None)
    contents = {name: tf.lite.TFLiteConverter.from_keras_model(each).convert() for name, each in networks.items()}
    contents["MobileNetV2, 8 bits"] = quantised(networks["MobileNetV2"])
    for name, content in contents.items():
        (root / name).mkdir(parents=True)
        (root / name / "model.tflite").write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
