"""The main workflow, end to end, step by step."""
