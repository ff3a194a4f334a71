"""`python -m mpss` is the command line."""

from mpss.cli.main import main

if __name__ == "__main__":
    main()
