"""What is measured on this machine: one module per question, run as ``python -m benchmarks.NAME``.

Records go to results/, and the tables of the documentation are made from those alone.
"""
