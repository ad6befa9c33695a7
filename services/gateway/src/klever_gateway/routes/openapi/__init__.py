"""The description of the API: operations, examples, and the OpenAPI document made from them."""
