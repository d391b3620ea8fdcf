"""Reads saved reports; compares and merges them."""
