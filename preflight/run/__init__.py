"""Runs the checks."""
