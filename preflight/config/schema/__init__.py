"""Every key of the configuration, its type, and when it is required."""
