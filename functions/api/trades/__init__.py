"""Trades of one market: live and archived trades as one listing, in either order.

Steps: parse the request, read the market's lifetime, read the trades of a time span from both tiers, respond.
"""
