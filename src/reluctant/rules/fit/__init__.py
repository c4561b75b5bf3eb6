"""FIT: what became of the training."""
