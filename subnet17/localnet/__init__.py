"""A local subnet: real validators on loopback that enforce the pull protocol's rules."""
