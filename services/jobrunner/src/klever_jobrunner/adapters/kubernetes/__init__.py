"""Jobs on a Kubernetes cluster (docs/adr/0043)."""
