"""Recorded studies run again under other pruning."""
