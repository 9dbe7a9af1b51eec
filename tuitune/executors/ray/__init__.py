"""Agents on the nodes of a Ray cluster; only `bridge`, a process of its own, imports Ray."""
