"""Random input for the tool, and assertions that hold for any input."""
