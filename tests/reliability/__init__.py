"""The tests that take too long for the suite, in parts that can be stopped, continued and run alone."""
