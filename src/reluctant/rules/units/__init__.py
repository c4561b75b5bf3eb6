"""UNT: units that no longer take part."""
