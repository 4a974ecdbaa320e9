"""Whether this tree is slower than the last release: ``python -m bench.check``."""
