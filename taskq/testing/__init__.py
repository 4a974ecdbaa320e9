"""For tests, ours and yours: faults on the wire and in processes, a ledger of what happened, ``taskq verify``."""
