"""Storage: where checkpoints and logs of trials outlive the nodes that wrote them."""
