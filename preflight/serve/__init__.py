"""Runs the checks again and again: the page and the metrics of the last run, and what changed since the one before."""
