"""This machine: what a run records of it, its GPUs and whose turn it is, the timing protocol, its measured rates."""
