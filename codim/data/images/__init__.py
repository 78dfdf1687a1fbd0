"""Image files in any format, decoded to arrays."""
