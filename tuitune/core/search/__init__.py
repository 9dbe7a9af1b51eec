"""Searchers and models: which configuration is tried next."""
