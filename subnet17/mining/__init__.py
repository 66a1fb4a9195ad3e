"""The miner: pulls tasks, generates, self-validates, submits. Reaches the servers over HTTP only."""
