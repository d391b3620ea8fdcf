"""The catalogue of findings, and the documentation that is generated from it."""
