"""Examples as text, beside the epochs of a trial."""

from pathlib import Path

import pytest

from study.results.examples import MOST, Example, Examples, Group, decode, encode
from study.results.folder import ResultsFolder
from tests.support.synthetic import record

IMAGE = "data:image/png;base64,iVBORw0KGgo="
ONE = Example(index=3, file="", given="cat", predicted="dog", true="dog", image=IMAGE)
EXAMPLES = Examples(images=9, side=8, groups=[Group(kind="found", count=2, images=[ONE])])


def test_they_lie_beside_the_epochs_and_the_predictions_of_their_trial(tmp_path: Path) -> None:
    folder, ended = ResultsFolder(tmp_path), record("symmetric-0.5", 0, 0.7)
    assert folder.read_examples(ended.trial) is None
    folder.write_epochs(ended.trial, [], ended)
    assert folder.read_examples(ended.trial) is None
    folder.write_epochs(ended.trial, [], ended, examples=encode(EXAMPLES))
    assert folder.read_examples(ended.trial) == EXAMPLES
    assert folder.read_predictions(ended.trial) is None
    assert repr(folder.read_trials()) == repr([ended])


def test_names_become_printable() -> None:
    found = decode(encode(EXAMPLES).replace('"cat"', '"\\u001b[0m\\u200d"'))
    assert found.groups[0].images[0].given == "\\x1b[0m\u200d"


@pytest.mark.parametrize(
    "change",
    [
        ('"found"', '"lost"'),
        ("data:image/png", "https://elsewhere/image.png#data:image/png"),
        (IMAGE, IMAGE + "\\u0022 onload"),
        ("iVBORw0KGgo=", "A" * 2**18),
        ('"index":3', '"index":-1'),
        ("}]}]}", "}]}"),
        (encode(EXAMPLES), encode(EXAMPLES).replace("[{", "[" + ONE.model_dump_json() + "," * (MOST + 1) + "{")),
    ],
)
def test_foreign_ones_are_refused(change: tuple[str, str], tmp_path: Path) -> None:
    text = encode(EXAMPLES).replace(*change)
    assert text != encode(EXAMPLES)
    with pytest.raises(ValueError, match="validation error"):
        decode(text)
    folder, ended = ResultsFolder(tmp_path), record("symmetric-0.5", 0, 0.7)
    folder.write_epochs(ended.trial, [], ended, examples=text)
    with pytest.raises(ValueError, match=rf"{ended.trial}\.parquet is damaged"):
        folder.read_examples(ended.trial)
