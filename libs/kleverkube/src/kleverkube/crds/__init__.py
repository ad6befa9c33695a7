"""Definitions of the custom resources ModelJob and Serving, generated from their documents; pure."""
