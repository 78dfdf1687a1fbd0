"""Image files in any format: which they are, and the arrays that they become, decoded once and cached. The loaders of
codim/data/ and the commands import it.
"""
