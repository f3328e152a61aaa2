"""What people write to serve a picture classifier with the tools there are, one file a tool.

Each runs in its own environment (`peers.sh`) with nothing of ours: `plain.py` is its model.
"""
