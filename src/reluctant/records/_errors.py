"""What goes wrong, in three clauses: what was given, what was expected, the way out."""


class ReluctantError(Exception):
    """Base of every error that reluctant raises on purpose."""


class UsageError(ReluctantError, ValueError):
    """The caller gave something that cannot be used; the command line exits with 2."""


class TraceError(ReluctantError, ValueError):
    """A file that should hold a recorded run does not, or another version wrote it."""
