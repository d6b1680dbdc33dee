"""Compiled loops of the synthesis engine."""
