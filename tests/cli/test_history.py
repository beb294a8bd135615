"""The history of nights as somebody else may have left it: flipped bits, foreign tables, things that cost without end."""
import datetime
import os
import random
import shutil
import sqlite3

import pytest

from conftest import FULL, run, run_ok
from test_nightly import nightly, rows

COLUMNS = "id, started, ended, status, commit_id, version, machine, device, config_sha256, inputs_sha256, ranks, threads, " \
          "folder, message, answers_right"
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "


@pytest.fixture(scope="module")
def history(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("history") / "run"
    for _ in range(2):
        run_ok(*nightly(digits, folder, "--reuse"))
    return folder / "history.sqlite"


def everything(path):
    with sqlite3.connect(path) as db:
        return [db.execute(f"SELECT * FROM {table}").fetchall() for table in ("nights", "figures")]


def test_a_flipped_bit_is_found_or_changes_nothing(history, tmp_path):
    """What no row and no page needs, as unused bytes, may flip unseen; an answer never does."""
    whole, rng, unseen = history.read_bytes(), random.Random(7), 0
    expected = everything(history)
    files = []
    for number in range(600 if FULL else 150):
        bit = rng.randrange(8 * len(whole))
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        files.append(tmp_path / f"{number}.sqlite")
        files[-1].write_bytes(damaged)
    done = run("verify", *files, json_path=tmp_path / "v.json")
    assert done.code == 3
    for answer, path in zip(done.json["files"], files):
        if answer["whole"]:
            unseen += 1
            assert everything(path) == expected, path.name
        else:
            assert str(path) in answer["error"]
    print(f"{len(files)} flips, {unseen} in bytes that mean nothing")
    assert unseen < len(files)


@pytest.mark.parametrize("sql", [
    "UPDATE figures SET value = value + 1 WHERE name LIKE '%top1'", "UPDATE nights SET answers_right = 0", "DELETE FROM figures WHERE name LIKE 'sweep%'",
    "DELETE FROM nights WHERE id = 1", "INSERT INTO figures SELECT night, name || 'x', kind, unit, value, seconds FROM figures LIMIT 1",
    "UPDATE figures SET value = 'text'", "UPDATE sealed SET sha256 = 'x'", "DELETE FROM sealed", "INSERT INTO sealed VALUES ('x')"])
def test_rows_that_another_program_changed(history, digits, tmp_path, sql):
    shutil.copytree(history.parent, tmp_path / "run")
    with sqlite3.connect(tmp_path / "run/history.sqlite") as db:
        db.execute(sql)
    db.close()
    for line in (["verify", tmp_path / "run/history.sqlite"], nightly(digits, tmp_path / "run", "--reuse")):
        result = run(*line)
        assert result.code == 3 and len(result.errors) == 1 and "do not match the SHA-256" in result.errors[0], result.err


@pytest.mark.parametrize("sql", [
    # An endless view and a costly column in the place of a table, and beside it; triggers; indexes over expressions.
    f"ALTER TABLE nights RENAME TO old; CREATE VIEW nights AS {ENDLESS} SELECT {COLUMNS} FROM old, n",
    f"CREATE VIEW more AS {ENDLESS} SELECT x FROM n",
    "ALTER TABLE nights ADD COLUMN cost INTEGER AS (length(hex(zeroblob(400000000))))",
    "ALTER TABLE figures ADD COLUMN cost TEXT AS (printf('%.*c', 100000000, 'x'))",
    "CREATE TRIGGER t AFTER INSERT ON nights BEGIN DELETE FROM nights; END",
    "CREATE INDEX i ON figures (value)", "CREATE TABLE mine (x)", "DROP TABLE figures", "DROP TABLE sealed",
    "CREATE VIRTUAL TABLE v USING fts5(x)", "ALTER TABLE nights RENAME COLUMN message TO words",
    f"CREATE TABLE big AS {ENDLESS} SELECT x FROM n LIMIT 200000"])
def test_tables_that_are_not_ours(history, digits, tmp_path, sql):
    shutil.copytree(history.parent, tmp_path / "run")
    with sqlite3.connect(tmp_path / "run/history.sqlite") as db:
        db.executescript(sql)
    db.close()
    for line in (["verify", tmp_path / "run/history.sqlite"], nightly(digits, tmp_path / "run", "--reuse")):
        result = run(*line, timeout=20)
        assert result.code == 3 and len(result.errors) == 1, result.err
        assert "is not clipsweep's" in result.errors[0] or "lacks the table" in result.errors[0], result.err


def test_an_earlier_history_is_taken_up(history, digits, tmp_path):
    """Without a seal, as the first schema was."""
    shutil.copytree(history.parent, tmp_path / "run")
    path = tmp_path / "run/history.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE sealed")
        db.execute("PRAGMA user_version = 1")
    db.close()
    run_ok("verify", path)
    run_ok(*nightly(digits, tmp_path / "run", "--reuse"))
    assert rows(tmp_path / "run", "SELECT count(*) FROM nights") == [(3,)]
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,) and len(db.execute("SELECT sha256 FROM sealed").fetchone()[0]) == 64


def test_what_is_no_file(digits, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/null", tmp_path):
        result = run(*nightly(digits, tmp_path / "run", "--history", path), timeout=30)
        assert result.code in (2, 3) and len(result.errors) == 1 and "--history" in result.errors[0], result.err


def test_two_nights_within_a_second_have_two_folders(digits, tmp_path):
    """The clock is not asked: a folder of that second is there already, whatever the second will be."""
    folder = tmp_path / "run"
    now = datetime.datetime.now(datetime.timezone.utc)
    for seconds in range(60):
        name = (now + datetime.timedelta(seconds=seconds)).strftime("night-%Y%m%dT%H%M%SZ")
        (folder / name).mkdir(parents=True)
    run_ok(*nightly(digits, folder))
    [(used,)] = rows(folder, "SELECT folder FROM nights")
    assert used.endswith("Z-2") and (folder / used.rpartition("/")[2] / "results.json").exists()
