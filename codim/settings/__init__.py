"""Every setting, a module a section: `mixmatch/lambda_u` is in codim/settings/mixmatch.py; the noise, each kind with
what it does, is in codim/noise.py. Never imports torch."""
