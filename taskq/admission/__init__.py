"""What may start, when, and why not: limits, and the explanation of a task."""
