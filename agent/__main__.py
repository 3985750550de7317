"""`python -m agent` is `attune`."""

from .cli import main

if __name__ == "__main__":
    main()
