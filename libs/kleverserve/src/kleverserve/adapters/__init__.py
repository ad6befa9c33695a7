"""One module per model format, each with a `load`; imported only when its format is chosen."""
