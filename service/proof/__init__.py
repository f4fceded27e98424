"""Proof of artifacts: does a change grant what was denied, and nothing beside it? Evaluators, one module a language.

Nothing here runs a change. Each family reads its language, asks whether the denied request is allowed afterwards, and
asks the same of a probe set of neighbouring requests. What it does not understand it abstains on, and says why.
"""
