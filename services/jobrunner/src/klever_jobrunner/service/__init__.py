"""Use cases: run jobs, cancel and delete them, repair what a crash left."""
