"""Every setting, a module a section: `mixmatch/lambda_u` is in codim/config/mixmatch.py; the noise, each kind with
what it does, is in codim/noise/__init__.py. Never imports torch."""
