"""Suites of `kind = "throughput"`: how fast each cell trains, and what it costs, by the protocol of `bench.timing`."""
