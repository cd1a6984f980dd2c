"""Error of `make deploy`."""


class DeployFailed(Exception):
    """Reason why nothing is deployed, or why a deployment failed, and what to do about it."""
