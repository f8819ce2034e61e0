"""Stores of bytes."""
