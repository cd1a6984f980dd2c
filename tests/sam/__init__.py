"""`make sam-test`: the stack is validated, built and run by the SAM CLI, on a machine with or without Docker."""
