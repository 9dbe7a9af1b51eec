"""Trials on other nodes: the link to an agent there, the agent, and the executor over them."""
