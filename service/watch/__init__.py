"""Follows files and the journal of a host, and delivers their failures to a connection of a service elsewhere."""
