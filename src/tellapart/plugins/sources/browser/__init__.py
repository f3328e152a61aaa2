"""Any search page in a real browser that has no network of its own."""

from tellapart.plugins.sources.browser.source import Browser

__all__ = ["Browser"]
