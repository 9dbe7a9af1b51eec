"""One module for each way in which scripts take their settings."""
