"""HTTP in: one module per resource, each with its table of operations."""
