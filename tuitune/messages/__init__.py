"""Words and formats in which people and other programs read facts and tables."""
