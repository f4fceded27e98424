from collections.abc import Iterator

import pytest
from messages_api import MessagesApi, serve_messages_api

from service.prompt.load import default_folder, load_prompts
from service.prompt.model import Prompt


@pytest.fixture
def messages_api() -> Iterator[MessagesApi]:
    with serve_messages_api() as api:
        yield api


@pytest.fixture(scope="session")
def root_cause() -> Prompt:
    return load_prompts(default_folder())["root_cause"]
