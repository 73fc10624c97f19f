"""The demonstration with real nodes: processes that share nothing but TLS."""
