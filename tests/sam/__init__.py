"""`make sam-test`: the stack validated, built and run by the SAM CLI itself, on a machine with or without Docker."""
