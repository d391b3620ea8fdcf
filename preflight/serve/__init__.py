"""Runs the checks repeatedly: the page and the metrics of the last run, and what changed since the one before."""
