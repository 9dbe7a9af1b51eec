"""A study as one HTML file: its figures, its table and all their data, without a network."""
