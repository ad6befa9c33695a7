"""Programs for models of TensorFlow Lite (LiteRT)."""
