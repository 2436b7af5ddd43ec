"""What a worker does: one shard from its trace to its rows, one pure training function, and what it is timed by."""
