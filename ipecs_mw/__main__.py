"""`python -m ipecs_mw` is `ipecs-mw`."""

from ipecs_mw.cli import main

if __name__ == "__main__":
    main()
