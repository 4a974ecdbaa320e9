"""taskq in web frameworks: one module for each. They use the public verbs only, and nothing imports them."""
