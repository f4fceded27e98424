"""A migrated SQLite file, made once per process of the tests and copied wherever a database is wanted."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from service.store.engine import migrate, open_engine


def copy_database(target: Path) -> str:
    """Put a migrated database without any row there; gives its address."""
    shutil.copyfile(_migrated(), target)
    return f"sqlite:///{target}"


@cache
def _migrated() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="whydenied-template-"))
    atexit.register(shutil.rmtree, folder)
    engine = open_engine(f"sqlite:///{folder}/template.db")
    migrate(engine)
    engine.dispose()
    return folder / "template.db"
