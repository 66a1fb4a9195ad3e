"""Mining environment for Bittensor Subnet 17 (404-GEN)."""

__version__ = "0.1.0"
