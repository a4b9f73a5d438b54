"""`python -m vodworker` is `vodworker`."""

from vodworker.cli import main

if __name__ == "__main__":
    main()
