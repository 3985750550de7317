"""`python -m eval` is `attune-eval`."""

from .cli import main

if __name__ == "__main__":
    main()
