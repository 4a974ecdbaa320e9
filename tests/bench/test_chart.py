"""The plot: well-formed, in order, honest about bars that are cut."""

from __future__ import annotations

from xml.etree import ElementTree as Tree

from bench.compare.chart import OURS, Bar, Panel, draw

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*panels: Panel) -> tuple[list[str], list[tuple[float, str]]]:
    """Return all texts, and width and fill of all bars."""
    root = Tree.fromstring(draw(panels, "a <caption> & more"))
    texts = [element.text or "" for element in root.iter(f"{SVG}text")]
    bars = [(float(element.attrib["width"]), element.attrib["fill"]) for element in root.iter(f"{SVG}rect")]
    return texts, bars


def test_the_best_is_first_and_lengths_are_proportional() -> None:
    texts, bars = drawn(Panel("rate", [Bar("slow", 25.0), Bar("taskq", 100.0, "ours"), Bar("half", 50.0)]))
    assert [text for text in texts if text in ("slow", "taskq", "half")] == ["taskq", "half", "slow"]
    (first, fill), (second, _), (third, _) = bars
    assert fill == OURS
    assert (round(first / second, 1), round(first / third, 1)) == (2.0, 4.0)


def test_less_may_be_better_and_a_bar_that_is_cut_says_so() -> None:
    texts, bars = drawn(Panel("wait", [Bar("polls", 500.0), Bar("taskq", 1.0, "ours")], more_is_better=False))
    assert texts.index("1.00") < texts.index("500 (cut)"), "the best is first"
    assert 1 < bars[1][0] / bars[0][0] < 10


def test_the_yardstick_does_not_decide_what_is_cut() -> None:
    bars = [Bar("bare", 1.0, "yardstick"), Bar("taskq", 30.0, "ours"), Bar("other", 90.0)]
    texts, _ = drawn(Panel("cost", bars, more_is_better=False))
    assert not any("cut" in text for text in texts[:-1])


def test_names_and_captions_cannot_break_the_document() -> None:
    texts, _ = drawn(Panel("<b>", [Bar('a "b" <c> & d', 1.0)]), Panel("nothing measured", []))
    assert {"<b>", 'a "b" <c> & d', "a <caption> & more", "nothing measured"} <= set(texts)
