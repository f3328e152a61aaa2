"""The offline demonstration: drawn pictures, a small picture web, and the real program on it."""
