"""Where decks take their candidates from, and send their acts to."""
