"""Components for pages of others; each module needs an extra of its own."""
