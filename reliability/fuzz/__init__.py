"""Bytes that nobody wrote, for everything that reads any: ``make fuzz``.

    python -m reliability.fuzz                  # every target for as long as it still has to run
    python -m reliability.fuzz onnx --seconds 60
    python -m reliability.fuzz --self-test      # every target finds a planted bug
    python -m reliability.fuzz --keep           # write the minimised corpus, count lines

Targets in C (libFuzzer, address and undefined-behaviour sanitizers) are in native/tests/fuzz, those
in Python (atheris) in readers.py. Both begin from valid files that seeds.py writes, and from the
corpus that is kept in reliability/corpus. What they ran is added up in results/fuzz.json after
every slice of a minute; what they found on the way lies in build/fuzz and is continued from.
"""
