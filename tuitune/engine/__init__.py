"""The engine: runs one study with the clock, devices, processes and store of this machine."""
