"""All settings, one module per section: `mixmatch/lambda_u` is in codim/config/mixmatch.py. The noise, settings and
code of each kind, is in codim/noise/__init__.py. Never imports torch."""
