"""The layers below every driver: name resolution, TCP, TLS, HTTP."""
