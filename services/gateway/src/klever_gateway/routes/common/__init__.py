"""What all routes share: authentication, problem details, reading requests and writing responses."""
