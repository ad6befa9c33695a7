"""Programs for CatBoost models."""
