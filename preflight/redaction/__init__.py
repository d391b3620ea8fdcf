"""Removes the secrets of the configuration from every text."""
