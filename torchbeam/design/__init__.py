"""What is drawn: the notation, its arithmetic and the named architectures. Never imports torch."""
