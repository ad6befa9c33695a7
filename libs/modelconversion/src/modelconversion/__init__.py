"""Turning a model of one format into another: plan a route, run each step in its own environment, check the result."""
