"""What longer work is built from."""
