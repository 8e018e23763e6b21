"""The scripted engine of the unit tests, for what needs an exact answer but more time than they have."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3] / "unit" / "serving" / "server"))
