"""Whole studies under a simulated clock, through every misfortune that a seed draws."""
