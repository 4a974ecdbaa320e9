"""Measurements; ``python -m bench`` prints them with bare baselines of the same run beside them."""
