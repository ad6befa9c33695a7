"""The built-in Open Inference Protocol (V2) model server."""
