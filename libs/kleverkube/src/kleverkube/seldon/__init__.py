"""Served versions as predictors of SeldonDeployments (Seldon Core v1.17, API version machinelearning.seldon.io/v1)."""
