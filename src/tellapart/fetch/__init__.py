"""The one guarded way to the network: pictures, APIs, anything a URL names."""

from tellapart.fetch.body import Limits
from tellapart.fetch.client import Fetched, Fetcher, fetch_one
from tellapart.fetch.reasons import REASONS

__all__ = ["REASONS", "Fetched", "Fetcher", "Limits", "fetch_one"]
