"""Run-time glue shared by the Klever services."""
