"""taskq: a reliable priority task queue on Redis or Valkey lists."""
