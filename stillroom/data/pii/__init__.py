"""Personal data: found by rules with checksums, masked by fakes that are nobody's, reversible with a vault."""
