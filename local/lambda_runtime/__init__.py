"""AWS Lambda and an HTTP API of API Gateway on this machine."""
