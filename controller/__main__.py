"""`python -m controller` is the `rappel` command."""

from controller.cli import main

main()
