"""What a program calls: trained networks, peers, scores, and the host's own tools."""
