"""The one guarded way to the network: pictures, APIs, anything a URL names."""

from tellapart.fetch.body import Limits
from tellapart.fetch.client import Fetched, Fetcher, fetch_one
from tellapart.fetch.reasons import REASONS
from tellapart.fetch.sending import Sent

__all__ = ["REASONS", "Fetched", "Fetcher", "Limits", "Sent", "fetch_one"]
