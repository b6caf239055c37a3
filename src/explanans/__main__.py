"""``python -m explanans``."""

import sys

from explanans.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
