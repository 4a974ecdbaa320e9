"""What operators do: pause, resume and purge queues; run dead letters again or forget them."""
