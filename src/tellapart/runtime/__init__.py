"""Where a server's runs live, and what one account may see and do there."""
