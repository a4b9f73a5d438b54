"""The spelling of v2: camelCase names, dotted and numbered parameters, `code` in the reply. Nothing else may know it.

Pure: no clock, no I/O.
"""
