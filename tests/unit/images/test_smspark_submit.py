"""The launcher of Spark jobs: what it makes of its options, its configuration, and the machine's Java."""

from pathlib import Path

import pytest

from sagesmith.images.programs.smspark_submit import (
    Configured,
    Refused,
    command,
    copy_events,
    expanded,
    java_home,
    parse,
)


def test_what_follows_the_application_is_the_applications(tmp_path: Path) -> None:
    (tmp_path / "a.jar").touch()
    options = parse(["--jars", f"{tmp_path}/a.jar", "-v", "/code/app.py", "--py-files", "mine", "-v", "x y"])
    assert command("/spark", options, {"spark.master": "local[2]"}) == [
        "/spark/bin/spark-submit",
        "--conf",
        "spark.master=local[2]",
        "--jars",
        f"{tmp_path}/a.jar",
        "--verbose",
        "/code/app.py",
        "--py-files",
        "mine",
        "-v",
        "x y",
    ]


def test_a_jar_is_started_by_its_class() -> None:
    options = parse(["--class", "org.example.Main", "/code/app.jar"])
    assert command("/spark", options, {}) == ["/spark/bin/spark-submit", "--class", "org.example.Main", "/code/app.jar"]


def test_a_folder_stands_for_the_files_in_it(tmp_path: Path) -> None:
    for name in ("b.py", "a.zip"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert expanded(f"s3://bucket/x.py,{tmp_path},file://{tmp_path}/b.py") == (
        f"s3://bucket/x.py,{tmp_path}/a.zip,{tmp_path}/b.py,{tmp_path}/b.py"
    )


@pytest.mark.parametrize("path", ["relative.py", "/absent.py", "{empty}"])
def test_files_that_are_not_there_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(Refused):
        expanded(path.format(empty=tmp_path))


def java(jvms: Path, name: str, version: str) -> Path:
    (jvms / name / "bin").mkdir(parents=True)
    (jvms / name / "bin" / "java").touch()
    (jvms / name / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\n')
    return jvms / name


def test_spark_gets_the_java_that_it_runs_on(tmp_path: Path) -> None:
    java(tmp_path, "a-25", "25")
    eight = java(tmp_path, "b-8", "1.8.0_412")
    assert java_home({}, tmp_path) == eight
    seventeen = java(tmp_path, "c-17", "17.0.15")
    java(tmp_path, "d-11", "11.0.2")
    assert java_home({}, tmp_path) == seventeen
    assert java_home({"JAVA_HOME": "/own"}, tmp_path) == Path("/own")


def test_a_machine_without_a_fitting_java_is_told_what_to_install(tmp_path: Path) -> None:
    java(tmp_path, "a-25", "25")
    with pytest.raises(Refused, match=r"needs Java 17, 11 or 8 .* There is Java 25, .* apt-get install openjdk-17-jre"):
        java_home({}, tmp_path)
    with pytest.raises(Refused, match="Spark needs Java"):
        java_home({}, tmp_path / "absent")


def test_a_configuration_becomes_settings_variables_and_files(tmp_path: Path) -> None:
    configured = Configured(
        [
            {"Classification": "spark-defaults", "Properties": {"spark.executor.memory": "2g", "spark.x": 1}},
            {
                "Classification": "spark-env",
                "Properties": {},
                "Configurations": [{"Classification": "export", "Properties": {"COLOUR": "blue"}}],
            },
            {"Classification": "core-site", "Properties": {"a.b": "<&>"}},
            {"Classification": "spark-log4j2", "Properties": {"rootLogger.level": "warn"}},
            {"Classification": "yarn-site", "Properties": {"y": "z"}},
            {"Classification": "spark-log4j", "Properties": {"log4j.rootCategory": "WARN"}},
        ]
    )
    configured.write(tmp_path)
    assert configured.settings == {"spark.executor.memory": "2g", "spark.x": "1"}
    assert configured.variables == {"COLOUR": "blue"}
    assert configured.ignored == ["spark-log4j"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["core-site.xml", "log4j2.properties", "yarn-site.xml"]
    assert "<name>a.b</name><value>&lt;&amp;&gt;</value>" in (tmp_path / "core-site.xml").read_text()
    assert (tmp_path / "log4j2.properties").read_text() == "rootLogger.level=warn\n"


@pytest.mark.parametrize("text", ["{", "[1]", '{"Properties": {}}', '{"Classification": "spark"}'])
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "configuration.json").write_text(text)
    with pytest.raises(Refused):
        Configured.read(tmp_path / "configuration.json")


def test_without_a_configuration_there_is_nothing_to_configure(tmp_path: Path) -> None:
    assert Configured.read(tmp_path / "configuration.json").files == {}


def test_event_logs_are_copied_under_their_last_names(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "local-1.inprogress").write_text("{}")
    (source / ".local-1.crc").write_text("")
    copy_events(source, tmp_path / "target")
    copy_events(source, tmp_path / "target")
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["local-1"]
