"""Serving with MLServer and its runtimes for MLflow, scikit-learn and XGBoost."""
