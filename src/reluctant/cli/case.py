"""`reluctant case NAME`."""


def case(name: str) -> None:
    """Reproduce a real case, diagnose it, cure it, and prove the cure."""
    raise NotImplementedError(name)
