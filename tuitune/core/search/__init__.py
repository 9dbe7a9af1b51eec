"""Searchers and models, which choose configurations."""
