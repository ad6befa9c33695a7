"""Programs for TorchScript and exported programs of PyTorch."""
