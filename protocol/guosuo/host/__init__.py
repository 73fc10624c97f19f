"""The outside world for programs on files: directories, vaults, pictures, clock, entropy."""
