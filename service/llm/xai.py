"""xAI's API, https://docs.x.ai/docs/api-reference: chat completions with structured outputs."""

from service.llm.chat import ChatCompletions


class XAI(ChatCompletions):
    """Grok over HTTP."""

    name = "xai"
    default_model = "grok-4.7"
    base_url = "https://api.x.ai/v1"


PROVIDER = XAI
