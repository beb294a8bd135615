"""The nightly run: what it records, what it takes for a regression, and what becomes of nights that fail, overlap or do not happen."""
import datetime
import json
import os
import shutil
import signal
import sqlite3
import subprocess

import pytest

from history_tools import change
from conftest import BUILD, ROOT, command_line, mpi_environment, run, run_ok, study_arguments, wait_until, wait_until_free
from test_report import open_in_browser

FAULTY = BUILD / "tests" / "faulty_clipsweep"


def nightly(digits, folder, *more):
    """No night is slower than another by an hour: times are told in one test alone, which says so."""
    return ["nightly", *study_arguments(digits)[1:], "--run", folder, "--machine", "test", *more, *(
        [] if "--time-floor" in more else ["--time-floor", "3600"])]


def rows(folder, sql, *values):
    with sqlite3.connect(folder / "history.sqlite") as history:
        return history.execute(sql, values).fetchall()


def nights(folder):
    return [status for (status,) in rows(folder, "SELECT status FROM nights ORDER BY started, id")]


@pytest.fixture(scope="module")
def first(digits, tmp_path_factory):
    """A folder with one good night; tests copy it."""
    folder = tmp_path_factory.mktemp("nights") / "run"
    result = run_ok(*nightly(digits, folder, "--commit", "aaa"), np=2)
    assert "# Night of " in result.out and ": ok" in result.out
    return folder


@pytest.fixture
def folder(first, tmp_path):
    shutil.copytree(first, tmp_path / "run")
    return tmp_path / "run"


def test_a_night_leaves_what_people_and_machines_look_at(first, tmp_path):
    [night] = rows(first, "SELECT status, commit_id, machine, ranks, folder FROM nights")
    assert night[:4] == ("ok", "aaa", "test", 2)
    figures = dict(rows(first, "SELECT name, value FROM figures"))
    results = json.loads((first / night[4] / "results.json").read_text())
    for cell in results["cells"]:
        assert figures[f"Tip-Adapter {cell['shots']}-shot seed {cell['subset_seed']} top1"] == cell["tip_adapter"]["top1"]
    assert night[4].startswith(str(first.parent))
    assert {"extract train seconds", "extract train throughput", "sweep seconds", "finetune seconds", "text seconds",
            "evaluate seconds", "Tip-Adapter-F 4-shot top1 mean", "all stages seconds", "zero-shot imagenet-80 top5"} <= set(figures)
    summary = json.loads((first / "summary.json").read_text())
    assert summary["status"] == "ok" and summary["regressions"] == [] and summary["figures"] == figures
    assert (first / night[4] / "report.html").exists()
    document, console = open_in_browser(first / "trend.html", tmp_path)
    assert console == [] and "<svg" in document


def test_a_slowdown_and_a_changed_answer_are_told(digits, folder, tmp_path):
    # The same inputs gave one answer more last night; the sweep took no time then, three seconds tonight; all else took ages.
    name = "Tip-Adapter 4-shot seed 2 top1"
    [(value,)] = rows(folder, "SELECT value FROM figures WHERE name = ?", name)
    change(folder, "UPDATE figures SET value = value + 1 WHERE name = ?", name)
    change(folder, "UPDATE figures SET value = iif(name GLOB 'sweep *', 0.001, 1e6) WHERE kind = 'seconds'")
    change(folder, "UPDATE figures SET value = iif(name GLOB 'sweep *', 1e12, 1e-6) WHERE kind = 'throughput'")
    told = tmp_path / "told"
    env = dict(mpi_environment(), CLIPSWEEP_TEST_FAULT="sleep 1 sweep: count")
    hook = f"cp $CLIPSWEEP_SUMMARY_MD {told}; echo $CLIPSWEEP_STATUS >> {told}"
    done = subprocess.run([str(w) for w in ["mpirun", "-np", "2", FAULTY, *nightly(
        digits, folder, "--time-band", "0.5", "--time-floor", "2", "--on-regression", hook, "--prometheus", tmp_path / "c.prom", "--json", tmp_path / "n.json")]],
        env=env, capture_output=True, text=True)
    assert done.returncode == 4, done.stderr
    result = json.loads((tmp_path / "n.json").read_text())
    regressed = {r["name"]: r for r in result["regressions"]}
    assert set(regressed) == {name, "sweep seconds", "sweep throughput"}
    assert regressed[name]["value"] == value and regressed[name]["reference"] == value + 1
    assert regressed["sweep seconds"]["value"] > 3 and regressed["sweep seconds"]["reference"] == 0.001
    summary = (folder / "summary.md").read_text()
    assert "3 regressions" in summary and f"{value:.0f} right, was {value + 1:.0f}" in summary and "sweep seconds" in summary
    assert told.read_text() == summary + "regressed\n"
    assert nights(folder) == ["ok", "regressed"]
    prometheus = (tmp_path / "c.prom").read_text()
    assert "clipsweep_regressions 3" in prometheus and "clipsweep_night_ok 0" in prometheus
    assert f'clipsweep_figure{{name="{name}",kind="count"}} {value:.0f}' in prometheus
    # It stays told until somebody accepts it.
    again = run(*nightly(digits, folder), np=2, json_path=tmp_path / "n.json")
    assert again.code == 4 and [r["name"] for r in again.json["regressions"]] == [name]
    run_ok(*nightly(digits, folder, "--accept"), np=2)
    assert run_ok(*nightly(digits, folder), json_path=tmp_path / "n.json").json["answers_compared_with"] == 4  # on one rank too


def test_the_reference_is_not_forgotten(digits, folder):
    """Nights that differ from it do not push it out: each one tells it."""
    change(folder, "UPDATE figures SET value = value + 1 WHERE name = 'Tip-Adapter 4-shot seed 2 top1'")
    for _ in range(3):
        assert run(*nightly(digits, folder, "--keep-nights", "2"), np=2).code == 4
    assert nights(folder) == ["ok", "regressed", "regressed"]


def test_a_command_finds_no_rank_in_its_environment(digits, folder, tmp_path):
    change(folder, "UPDATE figures SET value = value + 1 WHERE kind = 'count'")
    told = tmp_path / "told"
    assert run(*nightly(digits, folder, "--on-regression", f"env > {told}; exit 7"), np=2).code == 4
    names = {line.partition("=")[0] for line in told.read_text().splitlines()}
    assert "CLIPSWEEP_STATUS" in names and not any(n.startswith(("OMPI_", "PMIX_")) for n in names)


def test_other_inputs_have_other_answers(digits, folder, tmp_path):
    """What was configured or read otherwise is not compared."""
    change(folder, "UPDATE figures SET value = value + 1 WHERE kind = 'count'")
    assert run(*nightly(digits, folder), np=2).code == 4
    for more in (["--epochs", "2"], ["--templates", "imagenet-7"]):
        arguments = [w for w in nightly(digits, folder)]
        arguments[arguments.index(more[0]) + 1] = more[1]
        result = run_ok(*arguments, np=2, json_path=tmp_path / "n.json").json
        assert result["answers_compared_with"] == 0 and result["regressions"] == []
    # Other pictures of the same names and sizes.
    shutil.copytree(digits / "val", tmp_path / "val")
    a, b = next((a, b) for a in sorted((tmp_path / "val/1").iterdir()) for b in sorted((tmp_path / "val/1").iterdir())
                if a.stat().st_size == b.stat().st_size and a.read_bytes() != b.read_bytes())
    content = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)
    arguments = [w for w in nightly(digits, folder)]
    arguments[arguments.index("--val") + 1] = tmp_path / "val"
    assert run_ok(*arguments, np=2, json_path=tmp_path / "n.json").json["answers_compared_with"] == 0


def test_a_failed_night_is_a_row(digits, folder, tmp_path):
    told = tmp_path / "told"
    arguments = nightly(digits, folder, "--on-regression", f"echo $CLIPSWEEP_STATUS > {told}")
    arguments[arguments.index("--shots") + 1] = "1000"
    result = run(*arguments, np=2)
    assert result.code == 3 and len(result.errors) == 1 and "1000" in result.errors[0]
    [(status, message)] = rows(folder, "SELECT status, message FROM nights ORDER BY id DESC LIMIT 1")
    assert status == "failed" and "1000" in message and told.read_text() == "failed\n"
    assert json.loads((folder / "summary.json").read_text())["status"] == "failed"
    assert "failed" in (folder / "trend.html").read_text()
    run_ok(*nightly(digits, folder), np=2)
    assert nights(folder) == ["ok", "failed", "ok"]


def test_a_killed_night_is_a_row_of_the_next(digits, folder, tmp_path):
    job = subprocess.Popen(command_line(nightly(digits, folder), 2), env=mpi_environment(), start_new_session=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: nights(folder) != ["ok"], job)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    subprocess.run(["pkill", "-KILL", "-f", "--", str(folder)])
    wait_until_free(folder)
    assert nights(folder) == ["ok", "running"]
    result = run_ok(*nightly(digits, folder), np=2, json_path=tmp_path / "n.json").json
    assert nights(folder) == ["ok", "failed", "ok"] and result["abandoned"] == 1


def test_a_watcher_that_cannot_be_told_changes_nothing(digits, folder):
    result = run_ok(*nightly(digits, folder, "--prometheus", "/proc/x.prom"), np=2)
    assert "--prometheus" in result.err and nights(folder) == ["ok", "ok"]
    assert "Tip-Adapter 4-shot top1 mean" in result.out and "sweep seconds" in result.out


def test_missed_nights_are_rows(digits, folder, tmp_path):
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=3, hours=2)
    change(folder, "UPDATE nights SET started = ?", then.strftime("%Y-%m-%dT%H:%M:%SZ"))
    result = run_ok(*nightly(digits, folder), np=2, json_path=tmp_path / "n.json").json
    assert nights(folder) == ["ok", "missed", "missed", "ok"] and result["missed"] == 2
    assert "missed" in (folder / "trend.html").read_text()
    change(folder, "UPDATE nights SET started = '2026-01-01T00:00:00Z' WHERE id = 1")
    change(folder, "DELETE FROM nights WHERE id > 1")
    run_ok(*nightly(digits, folder, "--every", "0"), np=2)
    assert nights(folder) == ["ok", "ok"]


def test_nights_do_not_overlap(digits, folder, tmp_path):
    env = dict(mpi_environment(), CLIPSWEEP_TEST_FAULT="sleep 0 sweep: count")
    job = subprocess.Popen([str(w) for w in [FAULTY, *nightly(digits, folder)]], env=env, stdout=subprocess.DEVNULL)
    wait_until(lambda: nights(folder) != ["ok"], job)
    second = run(*nightly(digits, folder))
    assert second.code == 3 and len(second.errors) == 1 and "history.sqlite" in second.errors[0]
    job.wait()
    assert len(nights(folder)) == 2


def test_old_nights_are_forgotten_and_nothing_else(digits, folder):
    # The copied folder is another one than the history names; a folder of the user's is named as nights are.
    [(elsewhere,)] = rows(folder, "SELECT folder FROM nights")
    mine = folder / "night-20200101T000000Z"
    mine.mkdir()
    for name in (mine, folder / "night-archive"):
        change(folder, "INSERT INTO nights SELECT NULL, started, ended, 'failed', commit_id, version, machine, device, "
               "config_sha256, inputs_sha256, ranks, threads, ?, message, 0 FROM nights WHERE id = 1", str(name))
    for _ in range(4):
        run_ok(*nightly(digits, folder, "--keep-nights", "3", "--keep-runs", "2"))
    assert len(nights(folder)) == 3 and mine.exists()
    kept = {p.name for p in folder.glob("night-*")} - {mine.name, elsewhere.rpartition("/")[2]}
    assert len(kept) == 2 and os.path.exists(elsewhere)
    assert rows(folder, "SELECT count(DISTINCT night) FROM figures") == [(3,)]


def test_reuse_times_only_what_is_new(digits, folder, tmp_path):
    for expected in (True, False):
        figures = run_ok(*nightly(digits, folder, "--reuse"), json_path=tmp_path / "n.json").json["figures"]
        assert ("extract train seconds" in figures) == expected and "Tip-Adapter 1-shot seed 1 top1" in figures


def test_bad_histories(digits, folder, tmp_path):
    def refused(*words):
        result = run(*nightly(digits, folder), np=2)
        assert result.code == 3 and len(result.errors) == 1, result.err
        for word in ("history.sqlite", *words):
            assert word in result.errors[0], result.errors[0]

    change(folder, "PRAGMA user_version = 3")
    refused("schema 3", "newer")
    (folder / "history.sqlite").write_bytes(b"no database at all, but long enough to be looked at" * 40)
    refused("not a database")
    (folder / "history.sqlite").unlink()
    with sqlite3.connect(folder / "history.sqlite") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    refused("no clipsweep history")


@pytest.mark.parametrize("option,value", [("--window", "0"), ("--time-band", "-1"), ("--time-floor", "nan"), ("--every", "-2"),
                                          ("--keep-nights", "1"), ("--keep-runs", "0")])
def test_wrong_options(digits, tmp_path, option, value):
    result = run(*nightly(digits, tmp_path / "run"), f"{option}={value}")
    assert result.code == 2 and len(result.errors) == 1 and option in result.errors[0]


def test_the_scripts_of_the_schedule(digits, tmp_path):
    config = tmp_path / "nightly.ini"
    words = [str(w) for w in nightly(digits, tmp_path / "run")[1:] if w != "--quiet"]
    config.write_text("".join(f"{name[2:]} = {value}\n" for name, value in zip(words[::2], words[1::2])))
    env = dict(mpi_environment(), CLIPSWEEP=str(BUILD / "clipsweep"), RANKS="2", CLIPSWEEP_COMMIT="cafe",
               RUN_OPTIONS="--allow-root" if os.geteuid() == 0 else "")
    done = subprocess.run([ROOT / "launch/nightly/nightly.sh", config, "--quiet"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "run", "SELECT commit_id, ranks FROM nights") == [("cafe", 2)]
    for unit in ("clipsweep-nightly.service", "clipsweep-nightly.timer"):
        assert "[Unit]" in (ROOT / "launch/nightly" / unit).read_text()
        if shutil.which("systemd-analyze"):
            checked = subprocess.run(["systemd-analyze", "verify", "--man=no", ROOT / "launch/nightly" / unit],
                                     capture_output=True, text=True)
            complaints = [line for line in checked.stderr.splitlines() if "is not executable" not in line]
            assert not any("Unknown" in line for line in complaints), complaints
