"""clipsweep run in forks of one process that has LibTorch loaded: tests/support/fork_server.cpp."""
import array
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time


class ForkServer:
    """Runs command lines as subprocess.run(.., capture_output=True, text=True) would, in its own environment alone."""

    def __init__(self, program, env):
        self.env = env
        self.lock = threading.Lock()
        self.folder = tempfile.TemporaryDirectory(prefix="clipsweep-tests-")
        self.path = os.path.join(self.folder.name, "socket")
        self.process = subprocess.Popen([program, self.path], env=env, start_new_session=True, stdin=subprocess.DEVNULL)
        deadline = time.time() + 120
        while not os.path.exists(self.path):
            assert self.process.poll() is None and time.time() < deadline, f"{program} did not start"
            time.sleep(0.005)

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.folder.cleanup()

    def run(self, words, cwd, timeout):
        with self.lock, socket.socket(socket.AF_UNIX) as client:
            client.settimeout(timeout)
            self._connect(client)
            pipes = [os.pipe(), os.pipe()]
            null = os.open(os.devnull, os.O_RDONLY)
            message = b"".join(os.fsencode(str(word)) + b"\0" for word in (os.path.abspath(cwd or os.getcwd()), *words))
            files = array.array("i", [null, pipes[0][1], pipes[1][1]])
            client.sendmsg([struct.pack("=I", len(message))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
            client.sendall(message)
            for file in files:
                os.close(file)
            said = [b"", b""]

            def read(i):
                with open(pipes[i][0], "rb") as stream:
                    said[i] = stream.read()

            readers = [threading.Thread(target=read, args=(i,), daemon=True) for i in (0, 1)]
            for reader in readers:
                reader.start()
            try:
                status = struct.unpack("=i", client.recv(4, socket.MSG_WAITALL))[0]
            except (TimeoutError, struct.error):
                self.stop()
                raise subprocess.TimeoutExpired(words, timeout) from None
            for reader in readers:
                reader.join()
        return subprocess.CompletedProcess(words, os.waitstatus_to_exitcode(status), *(text.decode() for text in said))

    def _connect(self, client):
        while True:
            try:
                return client.connect(self.path)
            except (ConnectionRefusedError, BlockingIOError):  # between bind and listen
                assert self.process.poll() is None, "the fork server has ended"
                time.sleep(0.005)
