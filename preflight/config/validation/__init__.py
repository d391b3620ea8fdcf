"""What makes a configuration invalid."""
