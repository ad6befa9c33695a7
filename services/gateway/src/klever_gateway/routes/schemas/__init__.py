"""Bodies, queries and responses of the API, beyond the documents of the contract."""
