"""All settings, one module per section: `mixmatch/lambda_u` is in codim/config/mixmatch.py. The kinds of noise, each
with its settings and code, are in codim/noise/. Never imports torch."""
