"""`python -m llms` and the `llms` command."""

from llms.cli.main import main

if __name__ == "__main__":
    main()
