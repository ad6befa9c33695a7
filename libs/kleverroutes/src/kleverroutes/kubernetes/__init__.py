"""Routes of servings as objects of Kubernetes, for Istio or for the Gateway API; pure."""
