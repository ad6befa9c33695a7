"""Decisions about servings, their routes and rollouts; pure."""
