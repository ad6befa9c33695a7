"""The embedded OCI registry, the model catalogue, and the events of pushes."""
