"""A worker in a process of its own, to be killed: `python worker_process.py DATABASE_URL DATA_DIR API_URL`."""

import sys
import threading
from pathlib import Path

from messages_api import KEY, MODEL

from service.llm.anthropic import Anthropic
from service.llm.pricing import Priced
from service.prompt.load import default_folder, load_prompts
from service.store.engine import open_engine
from service.worker import Worker
from service.worker.models import Models

if __name__ == "__main__":
    database_url, data_dir, api_url = sys.argv[1:]
    worker = Worker(
        open_engine(database_url),
        Path(data_dir),
        database_url,
        Models([Priced(Anthropic(api_key=KEY, model=MODEL, base_url=api_url))]),
        load_prompts(default_folder()),
        sweep_seconds=0.5,
    )
    worker.start()
    threading.Event().wait()
