"""A small Mistle deployment from Python packages alone, to try the tool on: no Docker, no root, no network."""
