"""Jobs that events request, and the states of a job; pure."""
