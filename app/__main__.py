"""`python -m app` is `sluice`."""

from app.cli import main

main()
