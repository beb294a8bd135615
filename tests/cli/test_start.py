"""Where paths start, who started the program, and memory that does not suffice."""
import os
import resource
import subprocess

from conftest import DEMO_MODEL, PROGRAM, mpi_environment, run, run_ok


def test_paths_start_from_the_current_folder(demo, digits, tmp_path, monkeypatch):
    """On the command line and in a configuration, which lies elsewhere."""
    monkeypatch.setenv("HOME", str(demo))
    (tmp_path / "configs").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "configs/c.ini").write_text("features = absent/test.h5\ntext = ~/text.h5\n")
    for words in (["--config", "../configs/c.ini"], ["--features", "absent/test.h5", "--text=~/text.h5"]):
        result = run("zeroshot", *words, cwd=tmp_path / "here")
        assert result.code == 3 and len(result.errors) == 1
        assert "absent/test.h5" in result.errors[0] and f"paths start from the current folder, {tmp_path / 'here'}" in result.errors[0]
    result = run("extract", "--model", DEMO_MODEL, "--images", "~nobody/x", "--out", tmp_path / "f.h5", cwd=tmp_path)
    assert result.code == 3 and "only ~/ is understood" in result.errors[0]
    for name, words in (("m.pt", ["--model", "m.pt", "--images", digits / "val"]), ("pics", ["--model", DEMO_MODEL, "--images", "pics"])):
        result = run("extract", *words, "--out", "f.h5", cwd=tmp_path)
        assert result.code == 3 and result.errors[0].startswith(f"clipsweep: {name}: ") and "current folder" in result.errors[0]
    # Not of whole paths, nor of what is no path.
    assert "current folder" not in run("zeroshot", "--features", tmp_path / "x.h5", "--text", "~/text.h5").errors[0]
    assert "current folder" not in run("zeroshot", "--features", "~/test.h5", "--text", "~/text.h5", "--log-level", "loud").errors[0]
    for words in (["--features", "~/test.h5", "--text=~/text.h5"], ["--features=~/test.h5", "--text", "~/text.h5"]):
        run_ok("zeroshot", *words, cwd=tmp_path)
    run_ok("verify", "~/test.h5", cwd=tmp_path)
    assert "current folder" in run_ok("zeroshot", "--help").out
    monkeypatch.delenv("HOME")
    assert run("verify", "~/test.h5").code == 2


def test_lone_programs_of_a_job_step_are_refused(demo, monkeypatch):
    words = ["zeroshot", "--features", demo / "test.h5", "--text", demo / "text.h5"]

    def slurm(**variables):
        for name in [name for name in os.environ if name.startswith("SLURM_")]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    for step in ({"SLURM_STEP_NUM_TASKS": "4"}, {"SLURM_NTASKS": "4"}):
        slurm(SLURM_STEP_ID="0", **step)
        result = run(*words)
        assert result.code == 2 and len(result.errors) == 1 and not result.out
        assert "4 times" in result.errors[0] and "srun --mpi=pmix -n 4 clipsweep zeroshot" in result.errors[0] and "mpirun -np 4" in result.errors[0]
        run_ok("--version")
        assert len(run(*words, np=2).errors) == 0  # mpirun has told them
    slurm(SLURM_STEP_ID="0", SLURM_STEP_NUM_TASKS="4", SLURM_PROCID="3")
    result = run(*words)
    assert result.code == 2 and not result.errors  # the first of them speaks
    slurm(SLURM_NTASKS="4")  # the body of a batch script
    result = run_ok(*words)
    assert result.err.count("this Slurm job has 4 tasks") == 1
    assert "Slurm" not in run_ok(*words, np=2).err
    for alone in ({"SLURM_NTASKS": "1"}, {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1"}):
        slurm(**alone)
        assert "Slurm" not in run_ok(*words).err


def limited(megabytes, *words):
    limit = megabytes << 20
    return subprocess.run([str(w) for w in [PROGRAM, *words]], capture_output=True, text=True, env=mpi_environment(), timeout=120,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))


def test_memory_that_does_not_suffice(demo, tmp_path):
    """One line with the stage, what it holds and what to lower; nothing is left that looks whole."""
    words = ["sweep", "--cache", demo / "train.h5", "--features", demo / "test.h5", "--text", demo / "text.h5", "--tune-on",
             demo / "val.h5", "--shots", "1", "--subset-seeds", "1:6", "--alpha", "0:10:0.001", "--beta", "0:10:0.01", "--out",
             tmp_path / "s.h5", "--threads", "1", "--device", "cpu"]
    done = limited(800, *words)
    errors = [line for line in done.stderr.splitlines() if line.startswith("clipsweep: ")]
    assert done.returncode == 3 and len(errors) == 1, done.stderr
    for word in ("out of memory in 'sweep: count'", "the counts of the grid", "--threads", "--partition classes"):
        assert word in errors[0]
    assert not (tmp_path / "s.h5").exists()
