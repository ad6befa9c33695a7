"""Request counters of versions from Prometheus, which scrapes the gateway of the cluster."""
