"""The routes of servings: which version gets which requests; pure.

The deployer applies the routes, to Envoy on one machine or rendered for a data plane of Kubernetes, and
`klever deploy --dry-run` prints the rendered ones.
"""
