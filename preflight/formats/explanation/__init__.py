"""Entries of the catalogue of findings."""
