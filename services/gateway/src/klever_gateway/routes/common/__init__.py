"""Shared parts of all routes: operations, authentication, problem details, requests and responses."""
