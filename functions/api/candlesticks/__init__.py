"""Candlesticks of many markets: many tickers, few calls to the exchange, errors reported per ticker.

Steps: parse the request, read lifetimes and cached candles, plan the calls, fetch, merge, respond.
"""
