"""Container images of the platform for test clusters, built without a registry and without a container engine."""
