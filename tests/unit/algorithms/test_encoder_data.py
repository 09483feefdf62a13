"""The channels of the text algorithms: what is read of them, and what is refused."""

import io
from pathlib import Path

import pytest

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.encoder import data
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.log import Log

SPLIT = {"validation_split_ratio": 0.25}


def job(root: Path, **files: str | bytes) -> Job:
    """A job with these channels, each of which has a data.csv."""
    for name, content in files.items():
        (root / name).mkdir()
        (root / name / "data.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    sources = {name: Source(name, root / name, "text/csv") for name in files}
    algorithm = catalogue.algorithm("text_classification")
    return Job(algorithm, SPLIT, {}, sources, ("algo-1",), "algo-1", root, Log("algo-1", "texts", io.StringIO()))


def test_texts_may_have_commas_and_lines_between_quotation_marks(tmp_path: Path) -> None:
    texts = data.read(job(tmp_path, training='5,"good, and\nlong"\n2,"a ""word"""\n5,plain\n2,x\n'), 1, None)
    assert texts.classes == (2, 5)
    assert texts.texts == ["good, and\nlong", 'a "word"', "plain", "x"]
    assert texts.labels.tolist() == [1, 0, 1, 0]
    assert (len(texts.train), len(texts.validation)) == (3, 1)


def test_a_validation_channel_is_held_out_as_it_is(tmp_path: Path) -> None:
    texts = data.read(job(tmp_path, training="0,a,b\n1,c,d\n", validation="1,e,f\n"), 2, None)
    assert texts.texts[-1] == ("e", "f")
    assert texts.train.tolist() == [0, 1]
    assert texts.validation.tolist() == [2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("0,a\n1,b,c\n", "line 2: The row has 3 columns, and not the 2 of the class and the text"),
        ("label,text\n1,b\n", "line 1, column 1: 'label' is not a class, a whole number from 0 on. The file must not"),
        ("0,a\n-1,b\n", "line 2, column 1: '-1' is not a class"),
        ("0,a\nnan,b\n", "line 2, column 1: 'nan' is not a class"),
        ('0,"a\nb"\n1.5,b\n', "line 3, column 1: '1.5' is not a class"),
        ("0,a\n1,  \n", "line 2, column 2: The text is empty"),
        ('0,a\n1,"open\n', "line 2: The row is not CSV"),
        (b"0,a\n1,\xff\n", "line 2: Byte 0xff is not UTF-8 text"),
        ("", "it has no rows"),
        ("3,a\n3,b\n", "one class alone (3)"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_its_file_line_and_column(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    with pytest.raises(CustomerError) as caught:
        data.read(job(tmp_path, training=content), 1, None)
    assert said in str(caught.value)


def test_a_class_that_the_training_data_or_the_earlier_model_have_not_is_refused(tmp_path: Path) -> None:
    made = job(tmp_path, training="0,a\n1,b\n", validation="2,c\n")
    with pytest.raises(CustomerError, match="Channel 'validation' has the class 2"):
        data.read(made, 1, None)
    with pytest.raises(CustomerError, match="Channel 'training' has the class 0"):
        data.read(made, 1, (1, 2))
