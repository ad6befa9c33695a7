"""Runs extraction and conversion jobs."""
