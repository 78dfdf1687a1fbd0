"""Label noise: each kind is its settings and a pure function (true labels, images, settings) -> given labels.

Definitions differ between papers; those here follow the code that the published tables were made with and say which.
"""
