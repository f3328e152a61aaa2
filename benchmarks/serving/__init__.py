"""Parts of the figures `serving_*`: load, servers, contenders, and what they are measured with."""
