"""Validates a configuration: its schema, single values, and rules across keys."""
