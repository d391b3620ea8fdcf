"""What every check is made of. Imports no kind and no network code."""
