"""One module per top-level command; module `x` defines the click command or group `x`."""
