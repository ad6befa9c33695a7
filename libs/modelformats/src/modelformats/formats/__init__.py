"""Formats, one module for each; `modelformats.catalogue` lists them."""
