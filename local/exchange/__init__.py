"""A simulated Kalshi exchange: the public market data of its REST API over made-up or recorded markets.

python -m local.exchange --help
"""
