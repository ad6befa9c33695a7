"""What all routes share: operations, authentication, problem details, reading requests and writing responses."""
