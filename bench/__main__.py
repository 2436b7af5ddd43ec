"""`bench` and `python -m bench`."""


def main() -> None:
    """Run the command line."""
    from bench.cli import app

    app(prog_name="bench")


if __name__ == "__main__":
    main()
