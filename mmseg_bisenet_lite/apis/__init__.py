"""Functions for programs: trained networks, peers, scores, and the host's tools."""
