"""Model servers and Envoy as processes on this machine."""
