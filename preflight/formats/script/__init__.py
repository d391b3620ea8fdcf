"""What a shell reads."""
