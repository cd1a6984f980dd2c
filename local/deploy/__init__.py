"""`make deploy`: build the stack, deploy a preset of samconfig.toml, protect its database from releases."""
