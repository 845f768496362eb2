"""What is true of blobs whatever holds them: names, values, seals, signatures, conditions."""
