"""The simulator: whole studies under a simulated clock, with random faults drawn from a seed."""
