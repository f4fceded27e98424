"""An error in one line for the log: what and where, without the values, which may be anybody's data."""

import traceback
from pathlib import Path


def in_short(error: BaseException) -> str:
    """The error's type and the line of code that raised it."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    place = f" at {Path(frames[0].filename).name}:{frames[0].lineno} in {frames[0].name}" if frames else ""
    return f"{type(error).__name__}{place}"
