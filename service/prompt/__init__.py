"""Prompts are files: declared inputs, strict rendering, outside text quoted inside its own tags, and a lock."""
