"""DAT: what the network is shown."""
