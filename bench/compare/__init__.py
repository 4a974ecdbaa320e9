"""The peers of taskq and taskq itself at the same work, in turns, on one server: ``python -m bench.compare``."""
