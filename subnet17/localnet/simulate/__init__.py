"""A day of mining in virtual time: the real miner against the local subnet's own validators, of mixed temper.

What is real: the miner whole (pulls, strategy, submits, journal, clients of both servers), its signatures
and messages, and the validators' rules. What is a model: time, the network's latencies and faults, how good
generated assets are (quality.py), and the miners met in duels (rivals.py). Figures are the model's.
"""
