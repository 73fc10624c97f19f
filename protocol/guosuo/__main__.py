"""`python -m guosuo` is the `guosuo` command."""

from guosuo.cli.main import main

if __name__ == "__main__":
    main()
