"""Pure functions from arrays to numbers. Depends on numpy alone."""
