"""What can cause what: the declared graph by which a diagnosis orders its findings.

An edge says that the first problem, where it is real, is known to produce the second;
so the second is then reported under the first. A rule that is not named here explains
nothing and is explained by nothing.
"""

CAUSES: dict[str, tuple[str, ...]] = {}
