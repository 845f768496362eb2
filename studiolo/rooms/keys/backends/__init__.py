"""Back ends: the folder of shares, and customers' keys in files and in vaults."""
