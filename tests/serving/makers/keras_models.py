"""A Keras model in HDF5, a format without a runtime."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import sys
from pathlib import Path

import keras
import numpy as np
from cases import place, write

root = Path(sys.argv[1])
keras.utils.set_random_seed(7)
model = keras.Sequential(
    [
        keras.layers.Input((4,), name="x"),
        keras.layers.Dense(8, activation="relu"),
        keras.layers.Dense(3, activation="softmax"),
    ]
)
rows = np.random.default_rng(7).normal(size=(6, 4)).astype(np.float32)
directory = place(root, "h5")
model.save(directory / "model" / "model.h5")
(directory / "ormbfile.yaml").write_text("format: H5\n")
write(directory, "H5", {"x": ("FP32", rows)}, {"out": model.predict(rows, verbose=0)})
