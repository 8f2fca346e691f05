"""``python -m signbin``: the command line."""

from signbin.cli import main

main()
