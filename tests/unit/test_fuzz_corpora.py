"""The fuzzer's corpora, found inputs included, replayed without it: what once failed must not fail again."""

from pathlib import Path

import pytest

from fuzz.targets import TARGETS

CORPUS = Path(__file__).resolve().parents[2] / "fuzz" / "corpus"


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_holds(target):
    inputs = sorted((CORPUS / target).iterdir())
    assert inputs
    for path in inputs:
        try:
            TARGETS[target](path.read_bytes())
        except Exception as error:
            error.add_note(f"{target}: {path.name}")
            raise


def test_every_corpus_has_its_target():
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
