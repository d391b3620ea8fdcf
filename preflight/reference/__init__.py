"""The catalogue of findings, and the documentation that is made from it."""
