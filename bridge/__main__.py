"""`chip-bridge`: hands over to the command line."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from bridge.cli.main import run  # noqa: PLC0415 -- an interrupt during imports ends quietly too

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
