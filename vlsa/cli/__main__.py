"""`python -m vlsa.cli` is the same as `vlsa`."""

from vlsa.cli import main

if __name__ == "__main__":
    main()
