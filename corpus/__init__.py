"""Trainings of which it is known what is wrong with them, and how often we say so."""
