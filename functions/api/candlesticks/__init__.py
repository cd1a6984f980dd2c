"""Candlesticks of many markets: many tickers, few calls to the exchange, errors told per ticker.

request -> what the table and the cache know of each ticker -> a plan of calls -> their candles, joined -> an answer
"""
