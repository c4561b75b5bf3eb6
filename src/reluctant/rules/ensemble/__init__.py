"""Many trainings of one recipe: which of them fail."""
