"""The controller of the custom resources ModelJob and Serving: one more client of the gateway's use cases."""
