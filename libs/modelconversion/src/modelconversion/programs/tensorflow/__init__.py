"""Programs for SavedModels and frozen graphs of TensorFlow."""
