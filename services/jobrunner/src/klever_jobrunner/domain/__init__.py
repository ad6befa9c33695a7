"""Which job an event asks for, and the life of a job from one document to the next; pure."""
