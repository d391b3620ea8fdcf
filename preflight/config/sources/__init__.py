"""Where values come from: the TOML file and the environment."""
