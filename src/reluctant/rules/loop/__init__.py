"""LOP: mistakes in the training loop."""
