"""Use cases: record what is asked for; make it so."""
