"""Deploys servings on this machine or on Kubernetes."""
