"""HED: what comes out, against what should."""
