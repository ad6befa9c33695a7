"""Programs for scikit-learn estimators."""
