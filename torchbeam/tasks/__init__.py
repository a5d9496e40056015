"""What a network is asked."""
