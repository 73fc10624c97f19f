"""Talking to nodes: for wallets, checkpoints, officers and other nodes (extra `client`).

Everything that arrives is checked here for its form and bounds, and by
`guosuo.client.mirror` for what it means: no node is trusted.
"""
