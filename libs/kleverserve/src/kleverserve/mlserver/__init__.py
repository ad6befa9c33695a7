"""Serving by MLServer and its own runtimes for MLflow, scikit-learn and XGBoost."""
