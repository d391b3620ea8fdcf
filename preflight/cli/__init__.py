"""The command line: flags, commands, and where their output goes."""
