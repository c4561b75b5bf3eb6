"""INI: what was wrong before the first step."""
