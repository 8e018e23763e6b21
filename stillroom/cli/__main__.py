"""`python -m stillroom.cli`, for where the console script is not on the path."""

from stillroom.cli import main

main()
