"""POST /mcp: the Model Context Protocol over HTTP, without sessions and without streams.

Facts of the protocol are from its specification, revision 2026-07-28
(modelcontextprotocol.io/specification/2026-07-28; modelcontextprotocol/modelcontextprotocol on GitHub).
"""
