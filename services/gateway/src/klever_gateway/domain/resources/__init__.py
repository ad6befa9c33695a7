"""Custom resources of a cluster, and their states; pure."""
