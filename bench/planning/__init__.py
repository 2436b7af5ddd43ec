"""From a suite to shards of lanes: what is trained, in which programs, and how long that will take. No arrays."""
