"""Densities of good and poor configurations: `method = "tpe"`, or BOHB under hyperband."""
