"""A client of the Kubernetes API, for the services that run something on a cluster.

kubernetes_asyncio takes seconds to import: import this package only where a cluster is used.
"""
