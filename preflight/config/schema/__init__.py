"""Every key of the configuration, its type, and when Mistle requires it."""
