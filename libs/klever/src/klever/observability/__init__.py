"""Dashboards, recording rules and alerts as code, for Prometheus and Grafana (docs/adr/0046)."""
