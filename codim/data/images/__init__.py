"""Image files of any kind, and the arrays that they become."""
