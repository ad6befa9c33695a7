"""The OpenAPI document, generated from the operations, and its examples."""
