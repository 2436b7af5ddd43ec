"""What a cell is called, everywhere."""

NO_ACTIVATION = "none"  # in the column of activations, where a task has none


def cell_label(activation: str, optimizer: str) -> str:
    """A cell's name: `relu + adam`, or the optimizer alone where a task has no activation."""
    return optimizer if activation == NO_ACTIVATION else f"{activation} + {optimizer}"
