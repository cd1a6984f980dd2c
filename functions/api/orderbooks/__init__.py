"""Order books: the present bids of both sides and the asks that they imply, of one market or of many."""
