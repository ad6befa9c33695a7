"""Servings as SeldonDeployments, which the operator of Seldon Core v1.17 turns into Deployments."""
