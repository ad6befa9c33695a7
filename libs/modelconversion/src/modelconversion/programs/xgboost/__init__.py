"""Programs for XGBoost models."""
