"""What a network eats: pictures and labels, from where they lie to batches of tensors."""
