"""Pictures and files that clients name by their address, fetched for providers that take bytes only."""
