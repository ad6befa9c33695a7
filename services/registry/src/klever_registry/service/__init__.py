"""Use cases: serving artifacts, announcing models, storing their signatures."""
