"""launch/retry.sh in launch/run.sh and in the Slurm script: no further start where none can help. The launchers are stubs."""
import os
import shutil
import subprocess

import pytest

from conftest import ROOT

RUNS = 'while [ "$1" != sh ]; do shift; done; "$@"'  # as a launcher: the words of the rank and what follows


@pytest.fixture
def stubs(tmp_path):
    """-> a function that makes a program of that name, which counts its calls, in a folder of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(name, script):
        path = folder / name
        path.write_text(f"#!/bin/bash\necho . >> '{tmp_path}/{name}.calls'\n{script}\n")
        path.chmod(0o755)
        return path

    make("sleep", "exit 0")
    make("scontrol", f'echo "$*" > "{tmp_path}/requeued"')
    return make


def calls(tmp_path, name):
    path = tmp_path / f"{name}.calls"
    return len(path.read_text().splitlines()) if path.exists() else 0


def start(tmp_path, words, **more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "CLIPSWEEP", "MPIRUN"))}
    env.update(PATH=f"{tmp_path / 'bin'}:{env['PATH']}", TMPDIR=str(tmp_path), **more)
    return subprocess.run([str(w) for w in words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def run_script(tmp_path, *words, **more):
    root = ["--allow-root"] if os.geteuid() == 0 else []
    return start(tmp_path, ["launch/run.sh", *root, *words, "--", "text"], **more)


# How the job ends: the launcher's words, the program's, the exit code, how often run.sh starts it with --restarts 2.
ENDS = [
    ("a rank fails", RUNS, "exit 1", 1, 3),
    ("a rank is killed", RUNS, "exit 137", 137, 3),
    ("bad input", RUNS, "exit 3", 3, 1),
    ("not to be run", RUNS, "exit 126", 126, 1),
    ("a library is missing", RUNS, "exit 127", 127, 1),
    ("no plugin, no rank", "echo 'no plugin named mpi/pmix' >&2; exit 1", "exit 0", 1, 1),
    ("no rank, an odd code", "exit 213", "exit 0", 213, 1),
]


@pytest.mark.parametrize("launcher,program,code,starts", [end[1:] for end in ENDS], ids=[end[0] for end in ENDS])
def test_run_script_starts_again_what_that_can_help(stubs, tmp_path, launcher, program, code, starts):
    stubs("mpirun", launcher)
    done = run_script(tmp_path, "--restarts", "2", CLIPSWEEP=str(stubs("program", program)))
    assert done.returncode == code and calls(tmp_path, "mpirun") == starts, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("run: ")]
    assert len(said) == (starts if starts > 1 else int(code != 3)), done.stderr
    if starts == 1 and code != 3:
        assert "not started again" in said[0]
    assert not list(tmp_path.glob("clipsweep-started-*"))


def test_run_script_starts_again_what_once_ran(stubs, tmp_path):
    """A launcher that cannot start a rank after one has run, as while a host comes back."""
    stubs("mpirun", f'[ -e "{tmp_path}/ran" ] && exit 1; touch "{tmp_path}/ran"; {RUNS}')
    done = run_script(tmp_path, "--restarts", "2", CLIPSWEEP=str(stubs("program", "exit 1")))
    assert done.returncode == 1 and calls(tmp_path, "mpirun") == 3, done.stderr


def test_run_script_does_not_know_of_other_hosts(stubs, tmp_path):
    (tmp_path / "list").write_text("elsewhere slots=1\n")
    stubs("mpirun", "exit 1")
    done = run_script(tmp_path, "--restarts", "1", "--hosts", tmp_path / "list", CLIPSWEEP=str(stubs("program", "exit 0")))
    assert done.returncode == 1 and calls(tmp_path, "mpirun") == 2, done.stderr


@pytest.mark.parametrize("launcher,program,code,starts", [end[1:] for end in ENDS], ids=[end[0] for end in ENDS])
def test_the_slurm_script_queues_again_what_that_can_help(stubs, tmp_path, launcher, program, code, starts):
    stubs("srun", launcher)
    env = dict(CLIPSWEEP=str(stubs("program", program)), SLURM_JOB_ID="7")
    script = shutil.copy(ROOT / "launch/slurm/experiment.sbatch", tmp_path / "slurm_script")  # as Slurm copies it
    done = start(tmp_path, ["bash", script, "run.ini"], **env)
    assert done.returncode == code and calls(tmp_path, "srun") == 1, done.stderr
    assert (tmp_path / "requeued").exists() == (starts > 1), done.stderr
    assert done.stderr.splitlines()[-1].endswith("queued again" if starts > 1 else "not queued again")
    (tmp_path / "requeued").unlink(missing_ok=True)
    done = start(tmp_path, ["bash", script, "run.ini"], **env, SLURM_RESTART_COUNT="20")
    assert done.returncode == code and not (tmp_path / "requeued").exists()
    done = start(tmp_path, ["bash", script, "run.ini"], **env, CLIPSWEEP_LAUNCH=str(tmp_path))
    assert done.returncode == 2 and "CLIPSWEEP_LAUNCH" in done.stderr.splitlines()[-1]
