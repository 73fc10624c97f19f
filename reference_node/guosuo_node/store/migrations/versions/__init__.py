"""One module per version; what a version wrote is never changed afterwards."""
