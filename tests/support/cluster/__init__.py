"""A Kubernetes cluster of the tests' own: the real control plane and one real node, in a network namespace."""
