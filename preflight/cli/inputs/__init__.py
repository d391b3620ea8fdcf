"""What a command reads besides the configuration: the files that flags and arguments name."""
