"""Layers, and the reading of constructor arguments, that several families share.

Where a layer's attribute has an odd name (`conv_tr`, `gamma_1`, a bare index), that is the name
under which published checkpoints store it: they load as they are, strictly, with no renaming.
"""
