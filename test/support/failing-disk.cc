// A disk that fails, for one program: preloaded into it (LD_PRELOAD), this gives EIO instead of what the system would do. The file that FAILING_DISK names
// says to what and where: a line of letters (r: reads, w: writes, s: syncs, c: closing) and a line that the file's path must have in it. Each failure adds a letter to
// the file of that name with ".failures" behind it. test/support/failing-disk.ts compiles it.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

/** What stands in the file at `path`, as far as it fits; the functions below are not to be called from here. */
bool contentsOf(const char* path, char* into, size_t size) {
  long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  long count = syscall(SYS_read, fd, into, size - 1);
  syscall(SYS_close, fd);
  into[count < 0 ? 0 : count] = '\0';
  return count > 0;
}

void count(const char* control, char what) {
  char path[4096];
  snprintf(path, sizeof path, "%s.failures", control);
  long fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  syscall(SYS_write, fd, &what, 1);
  syscall(SYS_close, fd);
}

/** This looks what is to fail, and its own calls are none of those. */
thread_local bool looking = false;

/** Whether a call of this kind on `fd` is to fail; errno says with what. */
bool fails(char what, int fd) {
  const char* control = getenv("FAILING_DISK");
  struct stat about;
  int before = errno;
  if (control == nullptr || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
    errno = before;
    return false;
  }
  char wanted[4096], name[64], path[4096];
  bool failing = false;
  looking = true;
  if (contentsOf(control, wanted, sizeof wanted)) {
    char* where = strchr(wanted, '\n');
    if (where != nullptr) {
      *where++ = '\0';
      where[strcspn(where, "\n")] = '\0';
      snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
      ssize_t length = readlink(name, path, sizeof path - 1);
      path[length < 0 ? 0 : length] = '\0';
      failing = strchr(wanted, what) != nullptr && strstr(path, where) != nullptr;
    }
  }
  if (failing) count(control, what);
  looking = false;
  errno = failing ? EIO : before;
  return failing;
}

template <typename Function>
Function real(const char* name, Function) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

#define FAILING(result, name, what, parameters, arguments)               \
  extern "C" result name parameters {                                    \
    static auto call = real(#name, static_cast<result(*) parameters>(nullptr)); \
    if (fails(what, fd)) return -1;                                      \
    return call arguments;                                               \
  }

FAILING(ssize_t, read, 'r', (int fd, void* into, size_t size), (fd, into, size))
FAILING(ssize_t, pread, 'r', (int fd, void* into, size_t size, off_t at), (fd, into, size, at))
FAILING(ssize_t, preadv, 'r', (int fd, const iovec* parts, int count, off_t at), (fd, parts, count, at))
FAILING(ssize_t, write, 'w', (int fd, const void* from, size_t size), (fd, from, size))
FAILING(ssize_t, pwrite, 'w', (int fd, const void* from, size_t size, off_t at), (fd, from, size, at))
FAILING(ssize_t, pwritev, 'w', (int fd, const iovec* parts, int count, off_t at), (fd, parts, count, at))
FAILING(int, fsync, 's', (int fd), (fd))
FAILING(int, fdatasync, 's', (int fd), (fd))
#ifdef __GLIBC__
FAILING(ssize_t, pread64, 'r', (int fd, void* into, size_t size, off64_t at), (fd, into, size, at))
FAILING(ssize_t, preadv64, 'r', (int fd, const iovec* parts, int count, off64_t at), (fd, parts, count, at))
FAILING(ssize_t, pwrite64, 'w', (int fd, const void* from, size_t size, off64_t at), (fd, from, size, at))
FAILING(ssize_t, pwritev64, 'w', (int fd, const iovec* parts, int count, off64_t at), (fd, parts, count, at))
#endif

/** libuv closes through this one. The system closes the descriptor all the same. */
extern "C" long syscall(long number, ...) {
  static auto call = real("syscall", static_cast<long (*)(long, ...)>(nullptr));
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  auto [a, b, c, d, e, f] = arguments;
  bool failing = number == SYS_close && !looking && fails('c', static_cast<int>(a));
  long result = call(number, a, b, c, d, e, f);
  if (!failing) return result;
  errno = EIO;
  return -1;
}
