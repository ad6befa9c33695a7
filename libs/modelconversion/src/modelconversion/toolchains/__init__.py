"""Toolchains: isolated Python environments with pinned packages, in which programs and model servers run."""
