"""Label noise: each kind has settings and a pure function (true labels, images, settings) -> given labels.

Definitions differ between papers; these follow the code behind the published tables and name it.
"""
