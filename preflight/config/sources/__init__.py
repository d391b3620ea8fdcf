"""Reads values from the TOML file and the environment."""
