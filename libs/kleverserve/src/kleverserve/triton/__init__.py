"""Serving with Triton Inference Server, whose python backend runs Klever's adapters.

Triton and its python backend come from the `nvidia-pytriton` wheel, in a separate environment with numpy 1.
"""
