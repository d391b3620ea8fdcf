"""What every check is made of. Does not import kinds or network code."""
