"""NUM: numbers that are none."""
