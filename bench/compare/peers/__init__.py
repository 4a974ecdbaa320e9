"""One adapter per peer; each is imported only inside the environment of its peer."""
