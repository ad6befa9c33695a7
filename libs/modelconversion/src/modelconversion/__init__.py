"""Converts a model of one format to another: plans a route, runs each step in its toolchain, and checks the result."""
