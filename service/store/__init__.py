"""Storage: tables, the engine, the one writer of events, and every query. SQLite or PostgreSQL, same code."""
