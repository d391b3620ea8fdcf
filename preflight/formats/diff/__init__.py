"""The difference between two reports."""
