"""Documents: records go out and come back equal; what does not fit is refused by its path."""

import dataclasses
import enum
import json
import math
from collections.abc import Mapping

import pytest

from signbin.documents import ReadingRules, from_document, to_document
from signbin.errors import FormatError, SpecError


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass(frozen=True)
class Part:
    width: float
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Whole:
    count: int
    colour: Colour = Colour.RED
    flag: bool = False
    limit: float | None = None
    parts: tuple[Part, ...] = ()
    shares: Mapping[str, float] = dataclasses.field(default_factory=dict)


WHOLE = Whole(3, Colour.BLUE, True, 0.5, (Part(1.0, ("a", "b")), Part(2.5)), {"x": 0.25})


def test_a_record_goes_through_json_unchanged() -> None:
    assert from_document(Whole, json.loads(json.dumps(to_document(WHOLE)))) == WHOLE


def test_keys_left_out_take_the_default_and_whole_numbers_do_for_numbers() -> None:
    assert from_document(Whole, {"count": 1, "limit": 2}) == Whole(1, limit=2.0)


def test_numbers_that_json_cannot_hold_become_null() -> None:
    assert to_document(Part(math.inf)) == {"width": None, "names": []}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": "3"}, "count: got '3'; allowed: a whole number"),
        ({"count": True}, "count: got True; allowed: a whole number"),
        ({"flag": 1}, "flag: got 1; allowed: True or False"),
        ({"limit": math.nan}, "limit: got nan; allowed: a finite number"),
        ({"colour": "green"}, "colour: got 'green'; allowed: red, blue"),
        ({"parts": {}}, "parts: got {}; allowed: a list"),
        ({"parts": [{}]}, "parts[0].width: allowed: this key is required"),
        ({"parts": [{"width": 1, "names": ["a", 2]}]}, "parts[0].names[1]: got 2; allowed: text"),
        ({"shares": {"x": "much"}}, "shares.x: got 'much'; allowed: a number"),
        ({"shares": []}, "shares: got []; allowed: a mapping of keys to values"),
        ({"colours": "red"}, "key: got 'colours'; allowed: count, colour"),
        ({"colours": "red"}, "did you mean colour?"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_path(change, message) -> None:
    with pytest.raises(SpecError) as caught:
        from_document(Whole, {"count": 1, **change})
    assert message in str(caught.value)


def test_a_file_is_named_and_keys_of_newer_versions_are_left_out() -> None:
    rules = ReadingRules(FormatError, "a.json", "write it again", takes_unknown=True)
    assert from_document(Part, {"width": 1.0, "depth": 2.0}, rules=rules) == Part(1.0)
    with pytest.raises(FormatError, match=r"a\.json: width: got 'x'.*write it again"):
        from_document(Part, {"width": "x"}, rules=rules)
    with pytest.raises(FormatError, match=r"a\.json: got 3"):
        from_document(Part, 3, rules=rules)
