"""Stand-ins for services that cannot be installed: small ASGI applications that decide as the real ones do."""
