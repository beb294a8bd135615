// Runs clipsweep for tests/conftest.py without starting it: LibTorch takes 0.4 s of a processor to
// load, so it is loaded once, here, and each command line runs in a fork of this process, as
// main.cpp would run it. `clipsweep_fork_server SOCKET` serves one client at a time on a UNIX
// socket: it gets three file descriptors (stdin, stdout, stderr) with the text FOLDER\0WORD\0..\0
// behind its length (4 bytes), and answers with the exit status as waitpid has it (4 bytes).
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "common/process/library_warnings.h"
#include "launch/commands/program.h"

namespace {

constexpr int kFiles = 3;

struct Request {
  std::array<int, kFiles> files{};
  std::vector<std::string> words;  // the folder first
};

// Reads all of it; false at the end of the connection.
bool ReadAll(int from, char* data, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t got = ::read(from, data, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    data += got;
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

bool Receive(int client, Request& request) {
  std::uint32_t length = 0;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kFiles * sizeof(int))> control{};
  iovec part{&length, sizeof length};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (::recvmsg(client, &message, MSG_WAITALL) != sizeof length) return false;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return false;
  std::memcpy(request.files.data(), CMSG_DATA(header), sizeof request.files);
  std::string text(length, '\0');
  if (!ReadAll(client, text.data(), text.size())) return false;
  for (std::size_t at = 0; at < text.size();) {
    request.words.emplace_back(text.c_str() + at);
    at += request.words.back().size() + 1;
  }
  return request.words.size() >= 2;
}

[[noreturn]] void RunHere(const Request& request) {
  for (int to = 0; to < kFiles; ++to) {
    if (::dup2(request.files[static_cast<std::size_t>(to)], to) < 0) std::_Exit(99);
  }
  ::closefrom(kFiles);
  if (::chdir(request.words[0].c_str()) != 0) std::_Exit(99);
  std::vector<char*> words;
  for (std::size_t i = 1; i < request.words.size(); ++i) {
    words.push_back(const_cast<char*>(request.words[i].c_str()));
  }
  words.push_back(nullptr);
  clipsweep::LogLibraryWarnings();
  std::exit(clipsweep::RunProgram(static_cast<int>(words.size()) - 1, words.data()));
}

}  // namespace

int main(int argc, char** argv) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (argc != 2 || std::strlen(argv[1]) >= sizeof address.sun_path) return 2;
  std::strcpy(address.sun_path, argv[1]);
  const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 2;
  if (::listen(server, 1) != 0) return 2;
  for (;;) {
    const int client = ::accept4(server, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    Request request;
    if (Receive(client, request)) {
      const pid_t child = ::fork();
      if (child == 0) RunHere(request);
      for (const int file : request.files) ::close(file);
      int status = -1;
      while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
      }
      ::send(client, &status, sizeof status, MSG_NOSIGNAL);  // a client that is gone wants none
    }
    ::close(client);
  }
}
