"""The Klever contract: events, resources, subjects, streams."""
