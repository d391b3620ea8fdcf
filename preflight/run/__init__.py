"""Runs the checks in a child process, each within its time limit, all until the deadline or a signal."""
