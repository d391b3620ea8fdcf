"""How to prove that one resource works. Knows nothing of Mistle's key names, of reports or of the command line."""
