"""The resources that a configuration names, and the checks that prove them."""
