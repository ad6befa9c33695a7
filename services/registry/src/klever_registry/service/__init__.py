"""What the registry does: serve artifacts, announce models, keep their signatures."""
