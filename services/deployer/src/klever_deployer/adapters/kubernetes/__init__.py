"""Servings on Kubernetes."""
