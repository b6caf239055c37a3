from __future__ import annotations

import sys
from pathlib import Path

WEBSITE = Path(__file__).parents[2] / "website"

# The scripts of the site import each other by name, as they do when they are run.
sys.path.append(str(WEBSITE))
