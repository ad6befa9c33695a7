"""Converts pictures to tensors."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from .errors import InputError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}
RANK = 4
SCALES = {"0..255": (1.0, 0.0), "0..1": (1 / 255, 0.0), "-1..1": (2 / 255, -1.0)}
"""Factor and offset for each range of a pixel's channel."""


@dataclass(frozen=True)
class Picture:
    """A picture for an input of a model."""

    path: Path
    pixels: str | None = None
    """One of SCALES; default is 0..255 for integers, 0..1 for floating point numbers."""

    def fitted(self, name: str, datatype: str, shape: list[int]) -> list[Any]:
        """Return the picture as nested lists, resized to the model's height and width.

        Args:
            name: name of the input for error messages.
            datatype: of the Open Inference Protocol.
            shape: [batch, channels, height, width] or [batch, height, width, channels]; -1 is any size.

        Raises:
            InputError: the input does not have the shape of a picture, or the file is not a picture.
        """
        first, height, width = _layout(name, shape)
        channels = shape[1] if first else shape[3]
        array = np.asarray(self._open(CHANNELS[channels], height, width), dtype=np.float64)
        factor, offset = SCALES[self.pixels or ("0..1" if datatype.startswith("FP") else "0..255")]
        scaled = array.reshape(*array.shape[:2], channels) * factor + offset
        values = scaled if datatype.startswith("FP") else np.rint(scaled).astype(np.int64)
        return [(values.transpose(2, 0, 1) if first else values).tolist()]

    def _open(self, mode: str, height: int, width: int) -> Image.Image:
        try:
            with Image.open(self.path) as image:
                size = (width if width > 0 else image.width, height if height > 0 else image.height)
                return image.convert(mode).resize(size)
        except UnidentifiedImageError as error:
            raise InputError(f"{self.path} is not a picture") from error


def _layout(name: str, shape: list[int]) -> tuple[bool, int, int]:
    """Return whether the channels come first, height and width."""
    if len(shape) == RANK and shape[1] in CHANNELS:
        return True, shape[2], shape[3]
    if len(shape) == RANK and shape[3] in CHANNELS:
        return False, shape[1], shape[2]
    raise InputError(
        f"input {name} has shape {shape}, which is not the shape of a picture such as [-1, 3, height, width]"
    )
