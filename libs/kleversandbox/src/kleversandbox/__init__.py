"""A launcher for programs that process models: it applies Landlock, seccomp and limits, and executes the program."""
