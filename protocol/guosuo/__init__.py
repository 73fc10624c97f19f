"""Guosuo: privacy-preserving verification of health credentials across regions."""

__version__ = "0.1.0"
