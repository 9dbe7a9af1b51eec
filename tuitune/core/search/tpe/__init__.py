"""Densities of good and poor configurations: `method = "tpe"`."""
