"""The audit of given labels, by a hand-made case; its page and table, by a short training."""

import base64
import csv
import io
import math
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image

from codim.commands import audit as audit_page
from codim.commands.arguments import AuditArguments
from codim.commands.audit import THUMBNAIL, render
from codim.commands.label_tools import write_cleanlab_issues
from codim.config.divide import DivideConfig
from codim.config.train_config import TrainConfig
from codim.data.augment import Augmenter
from codim.data.images.image_cache import CachedImages, ImageCache
from codim.data.images.thumbnail import thumbnail
from codim.data.load import TrainingData
from codim.evaluation.label_audit import STATISTICS, Trust, by_class, label_audit, suspects, trust, worst
from codim.evaluation.predict import predict
from codim.training.checkpoint import InputSpec, save_checkpoint
from tests.support.pictures import save_plain
from tests.support.runs import train

TRUST = Trust(images=50, accuracy=0.8, agreement=0.95)


def test_a_label_that_both_networks_contradict_is_found() -> None:
    """30 images of three classes; image 4 carries the next class's label, and both networks say so."""
    true = torch.arange(30) % 3
    given = true.clone()
    given[4] = (true[4] + 1) % 3
    logits = torch.nn.functional.one_hot(true, 3).float() * torch.tensor([4.0, 6.0])[:, None, None]
    images = torch.zeros(30, 1, 8, 8, dtype=torch.uint8)
    data = TrainingData(images, given, torch.arange(25), torch.arange(25, 30), ("a", "b", "c"))
    table = label_audit(data, logits, DivideConfig()).to_pydict()
    assert table["index"] == list(range(30))
    assert table["given_label"] == given.tolist()
    assert table["suggested_label"] == true.tolist()
    clean = table["clean_probability"]
    assert clean[4] < 0.01
    assert min(clean[:4] + clean[5:]) > 0.99
    expected = logits.softmax(2)[:, torch.arange(30), true]
    torch.testing.assert_close(torch.tensor([table["confidence_a"], table["confidence_b"]]), expected)


def table(**columns: list[float]) -> tuple[pa.Table, TrainingData]:
    """An audit with these columns; images of 0, 1, 2, ... and class names that would break a page."""
    n = len(columns["given_label"])
    images = torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 1, 8, 8).contiguous()
    given = torch.tensor(columns["given_label"]).long()
    classes = ("cat", '<b>"dog"</b>', "emu & co")
    data = TrainingData(images, given, torch.arange(n - 1), torch.tensor([n - 1]), classes)
    unknown = {name: [math.nan] * n for name in STATISTICS}
    return pa.table({"index": list(range(n)), **columns, **unknown, "trusted": [False] * n}), data


@pytest.fixture
def audited() -> tuple[pa.Table, TrainingData]:
    """Image 1: label and suggestion agree; 3 is the worst, then 0, then 4 (held out), then 2."""
    return table(
        given_label=[0, 1, 2, 0, 1],
        suggested_label=[1, 1, 0, 2, 2],
        clean_probability=[0.1, 0.0, 0.9, 0.1, 0.5],
        confidence_a=[0.9, 1.0, 0.9, 1.0, 0.9],
        confidence_b=[0.8, 1.0, 0.9, 0.9, 0.9],
    )


def test_the_worst_come_first(audited: tuple[pa.Table, TrainingData]) -> None:
    found = suspects(*audited)
    assert [suspect.index for suspect in found] == [3, 0, 4, 2]
    assert [suspect.rank for suspect in found] == [1, 2, 3, 4]
    assert [suspect.part for suspect in found] == ["train", "train", "validation", "train"]
    assert (found[0].given_label, found[0].suggested_label) == ("cat", "emu & co")


def test_a_label_that_somebody_has_checked_is_no_suspect(
    audited: tuple[pa.Table, TrainingData], tmp_path: Path
) -> None:
    table, data = audited
    table = table.set_column(table.column_names.index("trusted"), "trusted", [[False, False, False, True, False]])
    assert [suspect.index for suspect in suspects(table, data)] == [0, 4, 2]
    write_cleanlab_issues(tmp_path / "issues.csv", table)
    assert pd.read_csv(tmp_path / "issues.csv")["is_label_issue"].tolist() == [True, False, True, False, True]


def test_a_rare_class_is_not_drowned() -> None:
    """100 of a common class are all more suspicious than 3 of a rare one."""
    n = 103
    audited = table(
        given_label=[0] * 100 + [1] * 3,
        suggested_label=[2] * n,
        clean_probability=[0.001 * i for i in range(n)],
        confidence_a=[1.0] * n,
        confidence_b=[1.0] * n,
    )
    found = suspects(*audited)
    assert [suspect.class_rank for suspect in found] == [*range(1, 101), 1, 2, 3]
    for limit, first in ((1, 1), (8, 5), (9, 6)):
        shown = worst(found, limit)
        assert [suspect.index for suspect in shown] == [*range(first), *[100, 101, 102][: limit - first]]
    assert worst(found, 1000) == found


def test_classes_are_counted_with_intervals(audited: tuple[pa.Table, TrainingData]) -> None:
    rows = by_class(audited[1], suspects(*audited))
    assert [(row.images, row.contradicted) for row in rows[:3]] == [(2, 2), (2, 1), (1, 1)]
    # Wilson's interval, (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), for 1 of 2.
    z2 = 1.959964**2
    half = (z2 * (0.25 / 2 + z2 / 16)) ** 0.5
    assert rows[1].share == 0.5
    assert rows[1].share_low == pytest.approx((0.5 + z2 / 4 - half) / (1 + z2 / 2), abs=1e-5)
    assert rows[1].share_high == pytest.approx((0.5 + z2 / 4 + half) / (1 + z2 / 2), abs=1e-5)


def test_labels_that_were_turned_are_ranked_high(tiny: Callable[..., tuple[TrainConfig, TrainingData]]) -> None:
    """The logits know every true label, some more surely than others: all turned labels are found, and no other."""
    _, data = tiny()
    clean = tiny({"noise": {"kind": "none"}})[1].labels
    wrong = (data.labels != clean).nonzero().flatten().tolist()
    logits = torch.nn.functional.one_hot(clean, 10) * torch.linspace(4, 8, len(clean))[:, None].expand(2, -1, 1)
    found = suspects(label_audit(data, logits, DivideConfig()), data)
    assert sorted(suspect.index for suspect in found) == wrong
    assert found[0].index == max(wrong), "the surest one"


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def pixels(address: str | None) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    assert address
    kind, _, content = address.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_the_page(audited: tuple[pa.Table, TrainingData]) -> None:
    text = render(TrainConfig(), audited[1], suspects(*audited), limit=3, known=TRUST)
    page = Page(text)
    assert "another label for 4 of 5 images" in page.text
    assert "shows 3 of them" in page.text
    assert [int(pixels(image["src"]).mean()) for image in page.all("img")] == [3, 0, 4], "each with its own image"
    assert "#1 · image 3 · train" in page.text
    assert [card["data-given"] for card in page.all("li")] == ["cat", "cat", '<b>"dog"</b>']
    options = [option["value"] for option in page.all("option")]
    assert options == ["", "cat", '<b>"dog"</b>', "", '<b>"dog"</b>', "emu & co", *audited[1].classes]
    assert not page.all("b"), "a class name became a tag"


def test_images_of_files_are_named_by_them(tmp_path: Path, audited: tuple[pa.Table, TrainingData]) -> None:
    """In another order than the files have in the cache."""
    names = [f"<i>/{i}.png" for i in range(5)]
    for i, name in enumerate(names):
        save_plain(tmp_path / name, i)
    table, data = audited
    cached = CachedImages(ImageCache(tmp_path / "cache", tmp_path, names, 8), np.arange(5)[::-1]).ready("cpu")
    data = replace(data, images=cached)
    found = suspects(table, data)
    assert [(suspect.index, suspect.file) for suspect in found] == [(i, names[4 - i]) for i in (3, 0, 4, 2)]
    page = Page(render(TrainConfig(), data, found, limit=2, known=TRUST))
    assert [image["alt"] for image in page.all("img")] == [names[1], names[0]]
    assert [int(pixels(image["src"]).mean()) for image in page.all("img")] == [1, 0]
    assert "#1 · <i>/1.png · train" in page.text
    assert not page.all("i"), "a file's name became a tag"


def test_the_page_needs_no_other_file(audited: tuple[pa.Table, TrainingData]) -> None:
    page = Page(render(TrainConfig(), audited[1], suspects(*audited), limit=3, known=TRUST))
    addresses = [a.get(name) for _, a in page.tags for name in ("src", "href", "action", "srcset") if a.get(name)]
    assert addresses
    assert all(str(address).startswith("data:") for address in addresses)
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv"))
    assert policy
    assert policy.startswith("default-src 'none'; img-src data:")


def test_nothing_to_check(audited: tuple[pa.Table, TrainingData]) -> None:
    page = Page(render(TrainConfig(), audited[1], [], limit=3, known=TRUST))
    assert "There is nothing to check." in page.text
    assert not page.all("script")


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 100, 300), (1, 300, 100)])
def test_thumbnails(shape: tuple[int, int, int]) -> None:
    image = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    found = pixels(thumbnail(image, THUMBNAIL))
    if max(shape) <= audit_page.THUMBNAIL:
        assert np.array_equal(found.reshape(*shape[1:], shape[0]), image.permute(1, 2, 0))
    else:
        assert max(found.shape[:2]) == audit_page.THUMBNAIL
        assert found.shape[0] / found.shape[1] == pytest.approx(shape[1] / shape[2], rel=0.02)


def test_the_command(
    tiny: Callable[..., tuple[TrainConfig, TrainingData]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, data = tiny({"method": "ce", "train": {"samples": 2000}})
    _, state = train(config, data)
    augmenter = Augmenter.fit(config.augment, data.images)
    save_checkpoint(tmp_path / "checkpoint.pt", config, state, InputSpec.of(data, augmenter))
    assert audit_page.main(AuditArguments(tmp_path, limit=5)) == 0
    expected = suspects(label_audit(data, predict(state.networks, data.images, augmenter), config.divide), data)
    with (tmp_path / "label_audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == [suspect.index for suspect in expected]
    assert [row["given_label"] for row in rows] == [data.classes[data.labels[int(row["index"])]] for row in rows]
    page = Page((tmp_path / "label_audit.html").read_text())
    assert len(page.all("img")) == 5
    assert re.search(rf"{len(rows)} of 240 labels are contradicted; 5 are shown", capsys.readouterr().out)


def test_other_data_than_it_was_trained_on(
    tiny: Callable[..., tuple[TrainConfig, TrainingData]], tmp_path: Path
) -> None:
    config, data = tiny({"method": "ce", "train": {"samples": 200}})
    _, state = train(config, data)
    spec = InputSpec.of(data, Augmenter.fit(config.augment, data.images))
    path = tmp_path / "checkpoint.pt"
    others = (
        ({"classes": data.classes[::-1]}, "number 0 is '9' there and '0' here"),
        ({"shape": (1, 9, 9)}, "samples of shape"),
        ({"digest": replace(data, labels=data.labels.flip(0)).digest()}, "or in another order"),
    )
    for other, message in others:
        save_checkpoint(path, config, state, replace(spec, **other))
        with pytest.raises(ValueError, match=message):
            audit_page.main(AuditArguments(path))
    with pytest.raises(ValueError, match="--limit: 0"):
        audit_page.main(AuditArguments(path, limit=0))


def test_how_far_networks_can_be_trusted_is_told_by_held_out_images_alone(
    audited: tuple[pa.Table, TrainingData],
) -> None:
    """Ten images, the last four held out: one answer is the given label, and the networks agree on two."""
    given = torch.zeros(10, dtype=torch.int64)
    data = replace(audited[1], labels=given, train_index=torch.arange(6), val_index=torch.arange(6, 10))
    first, second = torch.zeros(10, 3), torch.zeros(10, 3)
    for image, (a, b) in enumerate([(0, 0), (1, 1), (1, 2), (2, 1)], start=6):
        first[image, a], second[image, b] = 2.0, 1.0
    assert trust(data, torch.stack([first, second])) == Trust(images=4, accuracy=0.25, agreement=0.5)
    nothing = replace(data, val_index=torch.arange(0))
    assert trust(nothing, torch.stack([first, second])).level == "unknown"


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (Trust(100, 0.33, 0.95), "Trust these networks with care."),
        (Trust(100, 0.9, 0.5), "These networks can hardly be trusted."),
        (Trust(100, 0.8, 0.8), "Trust these networks with care."),
        (Trust(100, 0.8, 0.95), "These networks can be trusted."),
        (Trust(0, float("nan"), float("nan")), "can be trusted is unknown"),
    ],
)
def test_the_page_says_first_how_far_it_can_be_trusted(
    audited: tuple[pa.Table, TrainingData], known: Trust, said: str
) -> None:
    text = render(TrainConfig(), audited[1], suspects(*audited), limit=3, known=known)
    assert said in text
    assert text.index(said) < text.index("suggest another label")
