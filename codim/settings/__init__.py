"""Every setting, a module a section: `mixmatch/lambda_u` is in codim/settings/mixmatch.py. Never imports torch."""
