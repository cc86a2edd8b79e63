"""Computation on machines that have torch and a folder, and no database: `python -m explainers compute`.

A workbench lists what a study needs (`work_list`); each of N processes computes its part and writes one file of results
with an index (`shards`); the workbench takes them.  The results are those that the workbench would have computed.
"""
