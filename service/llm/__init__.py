"""LLM providers, one module each, and what is done with their answers before anybody sees them."""
