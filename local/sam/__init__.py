"""`make sam-local`: the stack's functions in containers, and around them what they need, on this machine."""
