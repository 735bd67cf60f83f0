"""The notebooks as they stand: exercises, prose, what was observed."""
