"""Input that nobody means to give, and what holds whatever is given."""
