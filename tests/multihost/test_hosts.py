"""Several hosts, made of network namespaces, over TCP alone: the demo gives the bytes of one host, a link that is cut
ends the job on both sides within a bound, and it is taken up again."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import time

import pytest

from conftest import BUILD, DEMO_MODEL, ROOT, run_ok

SCRIPT = pathlib.Path(__file__).parent / "hosts.sh"
NETWORK = "10.77.0.0/24"
STALL = 4  # seconds


def call(*words):
    return subprocess.run([str(SCRIPT), *[str(w) for w in words]], capture_output=True, text=True)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None:
        pytest.skip("hosts of network namespaces need root, iproute2 and util-linux")
    folder = tmp_path_factory.mktemp("hosts")
    call("down")
    made = call("up", 3, folder)
    entered = subprocess.run([str(folder / "enter"), "cs1", "hostname"], capture_output=True, text=True) \
        if made.returncode == 0 else made
    if entered.returncode != 0:
        call("down")
        pytest.skip(f"network namespaces cannot be made here: {(made.stderr + entered.stderr).strip()}")
    yield folder
    call("down")


def start(hosts, ranks, *arguments):
    options = ["--mca plm_rsh_agent", hosts / "agent", "--mca pml ob1 --mca btl tcp,self --mca btl_tcp_if_include",
               NETWORK, "--mca oob_tcp_if_include", NETWORK, "--mca mpi_yield_when_idle 1"]
    words = [hosts / "enter", "cs1", ROOT / "launch/run.sh", "--allow-root", "-n", ranks, "--hosts", hosts / "hostfile",
             "--restarts", "0", "--", *arguments]
    return subprocess.Popen([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=dict(os.environ, CLIPSWEEP=str(BUILD / "clipsweep"),
                                     MPIRUN_OPTIONS=" ".join(map(str, options))))


def processes_of(host):
    pids = subprocess.run(["ip", "netns", "pids", host], capture_output=True, text=True).stdout.split()
    alive = []
    for pid in pids:
        try:
            if pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                alive.append(pathlib.Path(f"/proc/{pid}/comm").read_text().strip())
        except OSError:
            pass
    return alive


def hashes(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.h5"))}


def test_the_demo_across_three_hosts(hosts, digits, tmp_path):
    arguments = ["experiment", "--config", ROOT / "launch/demo/demo.ini", "--model", DEMO_MODEL, "--templates",
                 ROOT / "launch/demo/templates.txt", "--train", digits / "train", "--val", digits / "val", "--test",
                 digits / "test", "--classnames", digits / "classnames.txt", "--shots", "1,4", "--subset-seeds", "1:3",
                 "--threads", "1", "--quiet"]
    process = start(hosts, 3, *arguments, "--run", tmp_path / "three", "--json", tmp_path / "three.json")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert '"ranks": 3' in (tmp_path / "three.json").read_text()
    run_ok(*arguments, "--run", tmp_path / "one")
    assert len(hashes(tmp_path / "one")) >= 7 and hashes(tmp_path / "three") == hashes(tmp_path / "one")


@pytest.mark.parametrize("victim", ["cs3", "cs1"])
def test_a_link_that_is_cut(hosts, digits, tmp_path, victim):
    """cs1 holds rank 0 and mpirun."""
    arguments = ["extract", "--model", DEMO_MODEL, "--images", digits / "train", "--views", "64", "--threads", "1",
                 "--quiet", "--stall-timeout", STALL]
    out = tmp_path / "f.h5"
    process = start(hosts, 3, *arguments, "--out", out)
    deadline = time.time() + 60
    while not list(tmp_path.glob("f.h5.parts/shard-*.h5")) and time.time() < deadline:
        time.sleep(0.01)
    call("cut", victim)
    cut = time.time()
    try:
        _, err = process.communicate(timeout=120)
        assert time.time() - cut < STALL + 10 + 2, err  # 2: until the cut is felt at all
        assert process.returncode not in (0, 2, 3)
        own = [line for line in err.splitlines() if line.startswith("clipsweep: ")]
        assert len(own) == 1 and "of 3 has not been heard of" in own[0], err
        deadline = time.time() + 10
        while any(processes_of(h) for h in ("cs1", "cs2", "cs3")) and time.time() < deadline:
            time.sleep(0.1)
        assert [processes_of(h) for h in ("cs1", "cs2", "cs3")] == [[], [], []]
        assert not out.exists()
    finally:
        call("mend", victim)
    shards = len(list(tmp_path.glob("f.h5.parts/shard-*.h5")))
    assert shards > 0
    again = start(hosts, 2, *arguments, "--out", out, "--json", tmp_path / "e.json")
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert f'"shards_reused": {shards}' in (tmp_path / "e.json").read_text()
    run_ok(*arguments, "--out", tmp_path / "whole.h5")
    assert hashlib.sha256(out.read_bytes()).digest() == hashlib.sha256((tmp_path / "whole.h5").read_bytes()).digest()
