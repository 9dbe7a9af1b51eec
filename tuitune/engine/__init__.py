"""The one place where clock, devices, processes, store and the Study meet."""
