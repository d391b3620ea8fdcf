"""The servers of the demo, and stand-ins for Mistle's own services, which decide as the real ones do."""
