"""Removes secrets from every text."""
