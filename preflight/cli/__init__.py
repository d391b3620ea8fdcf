"""The command line: flags, commands, and where their documents go."""
