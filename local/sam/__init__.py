"""`make sam-local`: the stack's functions in containers, with their dependencies on this machine."""
