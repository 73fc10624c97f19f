"""Virtual time: the federation's rules in scenarios, with symbols for signatures.

The judge, the gates' schedule, the clockwork and the timing rules of wallets and
checkpoints are the library's own; keys and boards are names. What comes out are
person-hours wrongly refused and wrongly accepted.
"""
