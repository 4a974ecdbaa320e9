"""How cost grows, or does not, with backlog, workers, payload, processes and time: ``python -m bench.scale``."""
