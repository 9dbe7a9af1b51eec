"""Simulations of recorded studies under other pruning."""
