"""Writes to the terminal and to files."""
