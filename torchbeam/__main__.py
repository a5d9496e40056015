"""python -m torchbeam"""

import sys

from torchbeam.cli import main

if __name__ == "__main__":
    sys.exit(main())
