"""The configuration: read, validated, with the origin of every value."""
