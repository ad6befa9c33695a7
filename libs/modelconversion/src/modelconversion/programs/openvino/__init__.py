"""Programs for OpenVINO models."""
