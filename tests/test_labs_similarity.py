"""Who wrote alike is found through new names and moved comments; who worked alone is not accused."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from academy.cli import lab_grade
from academy.labs.collection import Collection
from academy.labs.editions import ipynb
from academy.labs.editions.edition import learner_edition
from academy.labs.grading.own_code import OwnCode, own_code
from academy.labs.grading.reports import Written
from academy.labs.grading.similarity import Similarity, similar, similarity_csv, similarity_page, summary
from academy.labs.scaffold import new_lab
from tests.labs_made_up import LAB, write_notebook

HEAD = (
    'def long_months(days, limit):\n    """Return how many of the months have more days than the limit."""\n'
)
STUB = HEAD + "    # Your code here\n    raise NotImplementedError('Count the long months.')\n"
GIVEN = (
    "import pandas as pd\nmonths = pd.read_csv('data/months.csv')\n"
    "print(long_months(months['days'], limit))\n"
    "months.groupby('days').size().sort_values().plot(kind='bar')\n"
)
ORIGINAL = (
    HEAD
    + """\
    # keep a tally by hand
    counter = 0
    position = 0
    values = list(days)
    while position < len(values):
        current = values[position]
        if not current <= limit:
            counter = counter + 1
        position = position + 1
    assert counter >= 0, "never negative"
    return counter
"""
)
# The same with other names, other texts, comments moved, and blank lines.
DISGUISED = (
    HEAD
    + """\
    n = 0
    i = 0
    xs = list(days)     # a list, so that it has a length

    while i < len(xs):
        x = xs[i]
        # is it long?
        if not x <= limit:
            n = n + 1

        i = i + 1
    assert n >= 0, "cannot be"
    return n
"""
)
INDEPENDENT = {
    "loop": HEAD
    + """\
    total = 0
    for index in range(len(days)):
        if days[index] > limit:
            total += 1
        else:
            continue
    print("the number is", total)
    if total > len(days):
        raise ValueError(total)
    return total
""",
    "numpy": HEAD
    + """\
    import numpy as np
    values = np.asarray(days)
    if values.size == 0:
        return 0
    above = values > limit
    number = int(above.sum())
    share = round(100 * above.mean(), 1)
    print(f"{share} % of them")
    return number
""",
    "recursive": HEAD
    + """\
    remaining = list(days)
    if not remaining:
        return 0
    first, *others = remaining
    added = 1 if first > limit else 0
    if len(others) == 0:
        return added
    return added + long_months(others, limit)
""",
    "exceptions": HEAD
    + """\
    place = 0
    number = 0
    while True:
        try:
            day = days[place]
        except IndexError:
            break
        if day > limit:
            number += 1
        place += 1
    if number == 0:
        print("none")
    return number
""",
    "filter": HEAD
    + """\
    def is_long(day):
        return day > limit
    long_ones = list(filter(is_long, days))
    how_many = len(long_ones)
    rest = [day for day in days if not is_long(day)]
    assert how_many + len(rest) == len(days)
    return how_many
""",
}
SHORT = HEAD + "    return sum(1 for number in days if number > limit)\n"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "release.ipynb", GIVEN, STUB)


def codes(release: Path, **sources: str) -> list[OwnCode]:
    return [
        own_code(learner, write_notebook(release.parent / f"{learner}.ipynb", GIVEN, source), release)
        for learner, source in sources.items()
    ]


def pairs(found: Similarity) -> list[tuple[str, str]]:
    return [(pair.first, pair.second) for pair in found.pairs]


def test_renamed_variables_and_moved_comments_are_found(release: Path) -> None:
    found = similar(codes(release, ann=ORIGINAL, ben=DISGUISED, **INDEPENDENT))
    assert pairs(found) == [("ann", "ben")]
    assert found.pairs[0].score == 1.0
    assert found.compared >= 5


def test_independent_solutions_accuse_nobody(release: Path) -> None:
    found = similar(codes(release, ann=ORIGINAL, **INDEPENDENT))
    assert pairs(found) == []
    assert found.compared >= 5


def test_a_copy_with_additions_is_found(release: Path) -> None:
    longer = DISGUISED.replace(
        "    return n\n",
        "    report = {'days': len(xs), 'long': n, 'limit': limit}\n    print(report)\n    return n\n",
    )
    found = similar(codes(release, ann=ORIGINAL, ben=longer))
    assert pairs(found) == [("ann", "ben")]
    assert found.pairs[0].score > 0.8


def test_a_short_solution_accuses_nobody(release: Path) -> None:
    found = similar(codes(release, ann=SHORT, ben=SHORT))
    assert pairs(found) == []
    assert found.too_short == ("ann", "ben")


def test_what_most_of_the_class_wrote_accuses_nobody(release: Path) -> None:
    everyone = {f"learner{number}": ORIGINAL for number in range(6)}
    found = similar(codes(release, **everyone, **INDEPENDENT))
    assert pairs(found) == []


def test_the_labs_own_solution_accuses_nobody(release: Path) -> None:
    ann, ben, solution = codes(release, ann=ORIGINAL, ben=DISGUISED, solution=ORIGINAL)
    assert pairs(similar([ann, ben], solution)) == []


def test_what_the_release_gave_is_nobodys_own(release: Path) -> None:
    moved = write_notebook(release.parent / "moved.ipynb", STUB + GIVEN, "# only a comment")
    assert own_code("ann", moved, release).tokens == ()


def test_code_that_does_not_compile_is_compared_all_the_same(release: Path) -> None:
    broken = "x = (\n"
    found = similar(codes(release, ann=broken + ORIGINAL, ben=broken + ORIGINAL))
    assert pairs(found) == [("ann", "ben")]


def test_what_is_no_notebook_has_no_code(release: Path) -> None:
    torn = release.parent / "torn.ipynb"
    torn.write_text("{")
    assert own_code("ann", torn, release) == OwnCode("ann", (), ())


def test_magics_do_not_break_it(release: Path) -> None:
    (ann,) = codes(release, ann="%pip install x\n!ls\n" + ORIGINAL)
    assert len(ann.tokens) >= 50


def test_the_page_shows_both_and_says_that_it_proves_nothing(release: Path) -> None:
    hostile = ORIGINAL.replace("never negative", "</pre><script>alert(1)</script>")
    found = {LAB: similar(codes(release, ann=hostile, ben=DISGUISED))}
    page = similarity_page(found)
    assert "Similarity is no proof." in page
    assert "<script>" not in page
    assert page.count("<mark>    assert ") == 2
    assert "while position &lt; len(values):" in page
    assert "while i &lt; len(xs):" in page
    (line,) = csv.DictReader(io.StringIO(similarity_csv(found)))
    assert line == {"lab": LAB, "learner": "ann", "other": "ben", "score": "1.00", "tokens_alike": "50"}


def test_a_class_without_pairs_is_said_in_words_for_those_compared(release: Path) -> None:
    found = {LAB: similar(codes(release, ann=ORIGINAL, ben=INDEPENDENT["numpy"], carla=SHORT, dan=SHORT))}
    page = similarity_page(found)
    assert "Of the 2 compared, no two are alike" in page
    assert "2 of 4 compared, 2 with too little code of their own, fewer than 45 tokens" in page
    assert "(carla, dan)" in page
    assert summary(found) == (
        "Similarity: 2 of 4 submissions compared; 2 with fewer than 45 tokens of their own in every cell "
        "are too short for it."
    )


def test_a_class_of_short_solutions_is_not_said_to_be_unalike(release: Path) -> None:
    page = similarity_page({LAB: similar(codes(release, ann=SHORT, ben=SHORT))})
    assert "There were no two to compare." in page
    assert "no two are alike" not in page


def test_a_class_that_was_compared_whole_is_said_to_be(release: Path) -> None:
    found = {LAB: similar(codes(release, ann=ORIGINAL, ben=DISGUISED))}
    assert summary(found) == "Similarity: 2 of 2 submissions compared."


def test_the_command_says_how_many_were_compared(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {LAB: similar(codes(release, ann=SHORT, ben=SHORT))}
    lab_grade._say_what_is_left([], found, Written(tmp_path), hidden=False)
    assert "Similarity: 0 of 2 submissions compared; 2 with fewer than 45 tokens" in capsys.readouterr().out


MEAN = """def average(numbers):
    total = 0
    count = 0
    for number in numbers:
        total += number
        count += 1
    if count == 0:
        return 0
    return total / count
"""


def test_two_short_standard_functions_alike_are_too_short_to_accuse(release: Path) -> None:
    count = "    n = 0\n    for day in days:\n        if day > limit:\n            n += 1\n    return n\n"
    learners = {"ann": (HEAD + count, MEAN), "ben": (HEAD + count, MEAN.replace("total", "s"))}
    own = [
        own_code(one, write_notebook(release.parent / f"{one}.ipynb", GIVEN, *cells), release)
        for one, cells in learners.items()
    ]
    found = similar(own)
    assert (pairs(found), found.too_short) == ([], ("ann", "ben"))


DATA_HEAD = "from azure.ai.ml.constants import AssetTypes\nfrom azure.ai.ml.entities import Data\n\n"
# Two who worked alone on the template's two short tasks, each in the way that its hints lead to.
NATURAL = {
    "ann": (
        "my_data = Data(\n"
        '    path="./data/months.csv",\n'
        "    type=AssetTypes.URI_FILE,\n"
        '    description="Months and their days",\n'
        "    name=data_name,\n"
        ")\n"
        "ml_client.data.create_or_update(my_data)\n",
        "    count = 0\n    for day in days:\n        if day > limit:\n            count += 1\n"
        "    return count\n",
    ),
    "ben": (
        "asset = Data(\n"
        '    path="data/months.csv",\n'
        "    type=AssetTypes.URI_FILE,\n"
        '    description="A table",\n'
        "    name=data_name,\n"
        ")\n"
        "ml_client.data.create_or_update(asset)\n",
        "    n = 0\n    for d in days:\n        if d > limit:\n            n += 1\n    return n\n",
    ),
}


@pytest.mark.parametrize(("longer", "expected"), [(False, []), (True, [("ann", "ben")])])
def test_obvious_solutions_of_short_tasks_accuse_nobody_and_a_longer_copy_does(
    tmp_path: Path, longer: bool, expected: list[tuple[str, str]]
) -> None:
    lab = new_lab(Collection(tmp_path), LAB)
    given = tmp_path / "given.ipynb"
    ipynb.write(learner_edition(ipynb.read(lab.notebook), LAB), given)
    own = []
    for learner, (data, count) in NATURAL.items():
        counted = (ORIGINAL if learner == "ann" else DISGUISED) if longer else HEAD + count
        notebook = ipynb.read(given)
        for cell in notebook.cells:
            cell["source"] = {"data": DATA_HEAD + data, "count": counted}.get(cell.id, cell.source)
        ipynb.write(notebook, tmp_path / f"{learner}.ipynb")
        own.append(own_code(learner, tmp_path / f"{learner}.ipynb", given))
    assert all(len(one.tokens) >= 45 for one in own)  # all of it together is long
    assert pairs(similar(own, own_code("", lab.notebook, given))) == expected
