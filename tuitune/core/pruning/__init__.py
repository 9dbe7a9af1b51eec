"""Pruners, which decide whether trials stop, wait or go on."""
