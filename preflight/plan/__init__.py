"""Which resources a configuration names, and which checks prove them."""
