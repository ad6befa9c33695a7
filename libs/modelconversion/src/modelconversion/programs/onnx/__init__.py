"""Programs for ONNX models."""
