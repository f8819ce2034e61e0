"""Contents trees of HDF5 files and archives, made in a separate limited process.

``pool`` is what the server uses; ``child`` is the program of the separate process, with ``hdf5``,
``archives`` and ``zip_directory`` for the formats; ``sandbox`` takes rights away from it. Nothing is
imported here: the child should load only what it needs.
"""
