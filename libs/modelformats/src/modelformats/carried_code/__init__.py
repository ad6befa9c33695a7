"""Code that formats carry by design: what their loaders would run, read, write or import because a file declares it.

Pickles are read elsewhere (`scanning`). Nothing here is by a file's name unless a loader goes by that name too.
"""
