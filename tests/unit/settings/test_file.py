"""The settings file: what stands in it counts beneath the environment, and what makes no sense is named by its line."""

import os
from pathlib import Path

import pytest

from sagesmith.settings import SettingError, load, table


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.touch(mode=0o600)
    return path


def refusal(file: Path, text: str) -> str:
    file.write_text(text)
    with pytest.raises(SettingError) as refused:
        load({}, file)
    message = str(refused.value)
    assert "\n" not in message
    return message.removeprefix(str(file))


def test_values_have_the_types_of_toml(file: Path) -> None:
    file.write_text(
        'data = "here"\nmax_jobs = 8\nmin_free_disk = "20G"\ncache_limit = 1000\n'
        "job_ports = [5000, 5432]\noffline = true\ntls_names = ['ml.example.com', '::1']\n"
        'pythons = ["~/python3.9", "/opt/python3.10"]\n[quotas]\nModel = 1000\nEndpoint = 5\n'
        '[ray_runtime_env]\npip = ["numpy"]\n'
    )
    environ = load({}, file).environ
    assert table.DATA.read(environ) == file.parent / "here"
    assert table.MAX_JOBS.read(environ) == 8
    assert table.MIN_FREE_DISK.read(environ) == 20 << 30
    assert table.CACHE_LIMIT.read(environ) == 1000
    assert table.JOB_PORTS.read(environ) == [5000, 5432]
    assert table.OFFLINE.read(environ) is True
    assert table.TLS_NAMES.read(environ) == ["ml.example.com", "::1"]
    assert table.PYTHONS.read(environ) == f"{Path.home()}/python3.9:/opt/python3.10"
    assert table.QUOTAS.read(environ) == {"Model": 1000, "Endpoint": 5}
    assert table.RAY_RUNTIME_ENV.read(environ) == {"pip": ["numpy"]}


def test_a_variable_hides_the_files_value_even_if_it_is_empty(file: Path) -> None:
    file.write_text("max_jobs = 8\nrouters = 4\nkeep_days = 3\n")
    settings = load({"SAGESMITH_MAX_JOBS": "3", "SAGESMITH_ROUTERS": ""}, file)
    assert table.MAX_JOBS.read(settings.environ) == 3
    assert table.ROUTERS.read(settings.environ) is None
    assert settings.of_the_file == {"SAGESMITH_KEEP_DAYS": "3"}
    assert settings.places == {
        "SAGESMITH_MAX_JOBS": "environment",
        "SAGESMITH_ROUTERS": "environment",
        "SAGESMITH_KEEP_DAYS": f"{file}, line 3",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nmax_job = 2\n", ", line 2: max_job is no setting; did you mean max_jobs?"),
        ("SAGESMITH_MAX_JOBS = 2", ", line 1: SAGESMITH_MAX_JOBS is no setting; did you mean max_jobs?"),
        ("[zebra]\nx = 1", ", line 1: zebra is no setting."),
        ("# max_jobs = 1\nmax_jobs = true", ", line 2: max_jobs must be a whole number from 1 on; it is a boolean."),
        ("max_jobs = '2'", ", line 1: max_jobs must be a whole number from 1 on; it is a string."),
        ("max_jobs = 0", ", line 1: max_jobs: it must be a whole number from 1 on; it is '0'."),
        ("keep_days = 1.5", ", line 1: keep_days must be a whole number from 1 on; it is a float."),
        ("port = 70000", ", line 1: port: it must be a whole number from 0 to 65535; it is '70000'."),
        (
            "job_ports = [5000, 'x']",
            ", line 1: job_ports must be a list of ports, such as [5000, 5432]; it is an array.",
        ),
        ("job_ports = [0]", ", line 1: job_ports: '0' is not a port."),
        ("region = 'a'\n[quotas]\nModel = 'b'", ", line 1: region: it must be a region such as us-east-1; it is 'a'."),
        (
            "routers = 1\n\n[quotas]\nModel = 'b'",
            ", line 3: quotas must be a table of whole numbers, such as { Model = 1000 }; it is a table.",
        ),
        ("compute = 'moon'", ", line 1: compute: it must be local or ray; it is 'moon'."),
        ("tls_names = ['a_b']", ", line 1: tls_names: 'a_b' is no host name and no address."),
        ("data = 2026-01-01", ', line 1: data must be a path, such as "/srv/sagesmith"; it is a date or a time.'),
        ("routers = 1\nport = \n", " is not TOML: Invalid value (at line 2, column 8)."),
    ],
    ids=lambda value: value.split("\n")[-1][:24] if isinstance(value, str) else None,
)
def test_what_makes_no_sense_is_named_by_file_line_and_key(file: Path, text: str, message: str) -> None:
    assert refusal(file, text) == message


def test_a_variable_that_makes_no_sense_is_named(file: Path) -> None:
    with pytest.raises(SettingError, match=r"SAGESMITH_ROUTERS: it must be a whole number from 1 on; it is 'two'\."):
        load({"SAGESMITH_ROUTERS": "two"}, file)


def test_no_file_is_needed_unless_one_is_named(tmp_path: Path) -> None:
    assert load({"XDG_CONFIG_HOME": str(tmp_path)}).file is None
    with pytest.raises(SettingError, match=r"/nothing\.toml does not exist"):
        load({"SAGESMITH_CONFIG": str(tmp_path / "nothing.toml")})
    with pytest.raises(SettingError, match=r"/other\.toml does not exist"):
        load({"SAGESMITH_CONFIG": os.devnull}, tmp_path / "other.toml")


def test_the_default_file_is_where_xdg_says(tmp_path: Path) -> None:
    (tmp_path / "sagesmith").mkdir()
    (tmp_path / "sagesmith" / "config.toml").write_text("routers = 4")
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert load(environ).environ["SAGESMITH_ROUTERS"] == "4"
    assert "SAGESMITH_ROUTERS" not in load({**environ, "SAGESMITH_CONFIG": os.devnull}).environ


@pytest.mark.parametrize(
    "text",
    [
        "secret_access_key = 'abc'",
        "s3_secret_access_key = 'abc'",
        "database_url = 'postgresql://user:abc@host/name'",
        "database_url = 'postgresql://host/name?user=me&password=abc'",
        "database_url = 'postgresql+psycopg://user:abc#d@host/name'",
        "database_url = 'postgresql+psycopg://user:abc/d?e@host/name'",
        "upstream_proxy = 'http://user:abc@proxy:80'",
        "upstream_proxy = 'user:abc@proxy:80'",
    ],
)
def test_a_secret_in_a_file_that_others_may_read_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    load({}, file)
    file.chmod(0o644)
    message = refusal(file, text)
    assert message.startswith(", line 1: ")
    assert "abc" not in message
    assert f"`chmod 600 {file}`" in message


def test_a_file_without_secrets_may_be_read_by_all_and_written_by_none(file: Path) -> None:
    text = "database_url = 'postgresql://user@host/name?sslmode=verify-full'"
    file.chmod(0o644)
    file.write_text(text)
    load({}, file)
    file.chmod(0o646)
    assert "can be written by everybody" in refusal(file, text)


def test_a_file_of_somebody_else_is_refused(file: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(file, 12345, 0)
    assert "belongs to another user" in refusal(file, "routers = 1")


def test_secrets_are_masked() -> None:
    url = "postgresql://user:abc@host:5432/name?sslmode=require&password=abc"
    assert table.DATABASE_URL.masked(url) == "postgresql://user:***@host:5432/name?sslmode=require&password=***"
    for password in ("a#c", "a?c", "a/c", "a[c", "a@c", "a:c", "a/c@d?e#f"):
        assert table.DATABASE_URL.masked(f"postgresql://user:{password}@host/name") == "postgresql://user:***@host/name"
    for url in ("postgresql://user@host:5432/name", "postgresql://host:5432/name", '{"pip": ["a @ file:///a.whl"]}'):
        assert table.DATABASE_URL.masked(url) == url
    assert table.S3_SECRET_ACCESS_KEY.masked("abc") == "***"
    assert table.S3_ACCESS_KEY_ID.masked("abc") == "abc"
