"""nnU-Net as an opponent: its own package trains and predicts, on our split and within our budget."""
