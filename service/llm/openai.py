"""OpenAI's API, and every endpoint that is compatible with it: Ollama, vLLM, LiteLLM and other gateways.

WHYDENIED_LLM_BASE_URL names the endpoint up to and with its version, e.g. `http://localhost:11434/v1`; then a key is
needed only where the endpoint wants one.
"""

from service.llm.chat import ChatCompletions


class OpenAI(ChatCompletions):
    """A model behind an OpenAI-compatible endpoint."""

    name = "openai"
    default_model = "gpt-6-sol"
    base_url = "https://api.openai.com/v1"


PROVIDER = OpenAI
