"""Serving by Triton Inference Server: its python backend runs our adapters.

Triton and its python backend come from the `nvidia-pytriton` wheel, in an environment of their own with numpy 1.
"""
