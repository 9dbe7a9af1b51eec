"""Pruners: which trials stop, wait or go on."""
