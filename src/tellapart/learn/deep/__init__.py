"""Networks trained layer by layer: the only home of torch.

Import nothing from here at module level outside this room: torch is an extra, and slow to import.
"""
