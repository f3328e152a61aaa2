"""The resident server and its client: decode → batch → predict → encode, out of bundles alone."""
