"""Reads saved reports, compares two and merges several."""
