"""`make bench`: what it measures in this process alone still runs, and what it prints are figures."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("suite", ["door", "chain", "layers", "metrics"])
def test_it_prints_figures(suite):
    command = [sys.executable, "-m", "benchmarks", "--only", suite, "--rounds", "1", "--seconds", "0.1"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    figures = re.findall(r", us +(\d+\.\d+)", done.stdout)
    assert figures
    assert all(float(figure) > 0 for figure in figures)
