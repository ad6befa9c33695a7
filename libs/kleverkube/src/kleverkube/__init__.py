"""Renders served versions as Kubernetes objects; pure, and without a client of the API.

The deployer applies what this library renders, and `klever deploy --dry-run` prints it.
"""
