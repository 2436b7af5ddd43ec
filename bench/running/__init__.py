"""One run, from its plan to its tables: workers, shards, retries, signals, progress, and the manifest."""
