"""The description of the API: examples, and the OpenAPI document made from the operations."""
