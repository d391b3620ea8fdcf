"""Reads and validates the configuration, and records the origin of every value."""
