"""The main job, end to end, as a story."""
