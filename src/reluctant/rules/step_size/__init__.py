"""STP: steps that are too long."""
