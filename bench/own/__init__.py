"""Entries of a user's own: activations, optimizers, tasks, and flax modules as tasks."""
