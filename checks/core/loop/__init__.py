"""The event loop of the checks: its clock, its threads, its sockets, and what the checks waited for."""
