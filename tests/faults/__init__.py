"""The crawler under random faults, against the simulated exchange and a PostgreSQL that is killed: python -m tests.faults"""
