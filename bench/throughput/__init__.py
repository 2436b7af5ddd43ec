"""Suites of `kind = "throughput"`: how fast each cell trains, and what that costs, by a protocol of timing."""
