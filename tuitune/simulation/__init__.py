"""What would a study do? The same engine under a simulated clock, executor, store and machine."""
