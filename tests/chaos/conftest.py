"""The parts of the storm import each other by name, also where it runs by itself."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
