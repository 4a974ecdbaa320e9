"""What monitors and dashboards are built from."""
