"""The library, file by file."""
