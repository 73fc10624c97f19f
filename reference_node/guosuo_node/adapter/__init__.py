"""Adapters to what a province already has: its way to know people, and its health records."""
