"""What users see of a run, kept: `python -m tests.contract` records it, `test_contract` compares.

Some seventy command lines over the built-in model and small networks of every family, in
`commands.py`. What each leaves behind is described so that any machine gives the same: levels
instead of bits. For the bits, on one machine, there is `digests`: made before a change that must
not be heard, and compared after it.
"""
