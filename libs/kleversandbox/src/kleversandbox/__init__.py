"""One launcher for everything that touches a model: Landlock, seccomp, limits, and then the program itself."""
