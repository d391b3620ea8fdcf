"""The formats of the reports of several files, one after the other."""
