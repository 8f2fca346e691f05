"""ONNX's own node tests, of every operator that is read: each passes, or is refused as docs say."""

import json

import pytest
from onnx import helper

from docs.onnx_operators import RESULTS, cases, outcome
from signbin.onnx_reader import CLAIMS

CASES = [case for case in cases() if case.of_numbers and not case.of_training]
RECORDED = json.loads(RESULTS.read_text(encoding="utf-8"))
MOST_REFUSED = 0.15


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_passes_or_is_refused_for_the_reason_that_the_docs_give(case):
    recorded = RECORDED.get(case.operator, {}).get(case.name)
    assert outcome(case) == recorded, "python -m docs.onnx_operators, then make pages"


def test_the_record_has_these_tests_and_no_other():
    listed = {(operator, name) for operator, found in RECORDED.items() for name in found}
    assert listed == {(case.operator, case.name) for case in CASES}
    assert set(RECORDED) <= set(CLAIMS)


@pytest.mark.parametrize("operator", RECORDED)
def test_few_tests_of_an_operator_are_refused(operator):
    refused = [name for name, reason in RECORDED[operator].items() if reason]
    assert len(refused) <= MOST_REFUSED * len(RECORDED[operator]), refused


def test_a_wrong_result_is_no_outcome():
    case = next(case for case in CASES if case.operator == "Relu")
    case.model.graph.node[0].CopyFrom(helper.make_node("Abs", ["x"], ["y"]))
    with pytest.raises(AssertionError, match="Mismatched elements"):
        outcome(case)
