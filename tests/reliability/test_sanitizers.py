"""What sanitizers and valgrind print is counted, and a report stands in the page as open."""

import json

import pytest

from reliability import RESULTS, page, sanitizers, summary

SAID = (
    "address: 3 planted faults reported; 1500 programs drawn, 612 of them built and run; "
    "332 inputs of fuzzers: all C tests pass\n"
    "address: 300 passed in 90.51s: a slice of the Python tests passes\n"
)
REPORTED = {
    "address": "==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x1\n",
    "leak": "==1==ERROR: LeakSanitizer: detected memory leaks\n",
    "undefined": "a.c:3:4: runtime error: signed integer overflow: 1 + 2147483647\n",
    "thread": "WARNING: ThreadSanitizer: data race (pid=1)\n",
    "read": "==1== Invalid read of size 1\n==1==    at 0x1: read_behind (test_planted.c:20)\n",
    "unset": "==1== Conditional jump or move depends on uninitialised value(s)\n",
    "lost": "==1== 40 bytes in 1 blocks are definitely lost in loss record 1 of 1\n",
}


def test_what_the_script_says_is_counted():
    expected = {"planted": 3, "drawn": 1500, "run": 612, "inputs": 332, "python_tests": 300}
    assert sanitizers.counted(SAID) == expected


@pytest.mark.parametrize("printed", REPORTED.values(), ids=REPORTED)
def test_a_report_of_each_kind_is_one_report(printed):
    assert sanitizers.reports(printed) == 1
    assert sanitizers.reports(SAID + 2 * printed) == 2
    assert sanitizers.reports(SAID) == 0


def test_a_report_stands_in_the_page_and_as_open(tmp_path):
    document = json.loads((RESULTS / "sanitizers.json").read_text(encoding="utf-8"))
    assert summary.rows()["sanitizers"].open == 0
    document["tools"]["thread"]["reports"] = 7
    path = tmp_path / "sanitizers.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert summary.rows(tmp_path)["sanitizers"].open == 7
    (row,) = (line for line in page.sanitizers(path).splitlines() if "| ThreadSan" in line)
    assert "| 7 |" in row


def test_the_committed_run_found_what_was_planted_under_every_tool():
    tools = json.loads((RESULTS / "sanitizers.json").read_text(encoding="utf-8"))["tools"]
    assert set(tools) == set(sanitizers.TOOLS)
    assert all(each["planted"] and each["run"] and each["inputs"] for each in tools.values())
