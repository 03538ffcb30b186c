#pragma once
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <locale.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <sys/vfs.h>
#include <unistd.h>

// glibc declares these only for GNU sources, and Swift's Glibc module is not one.
extern int syncfs(int descriptor);
extern int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags);
extern int pthread_setname_np(pthread_t thread, const char *name);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int first) __attribute__((weak));

// "ENOSPC" for ENOSPC; NULL for an unknown code, and before glibc 2.32, which lacks the function.
extern const char *strerrorname_np(int code) __attribute__((weak));
static inline const char *system_error_name(int code) { return strerrorname_np ? strerrorname_np(code) : NULL; }

enum { system_rename_no_replace = 1 };  // RENAME_NOREPLACE, linux/fs.h

// O_TMPFILE and AT_EMPTY_PATH are only for GNU sources.
enum { system_unnamed_file = 020000000 | O_DIRECTORY, system_link_descriptor = 0x1000 };

// F_OFD_GETLK and F_OFD_SETLK are only for GNU sources. Returns 0, or -1 with errno.
static inline int system_share_byte(int descriptor, long long position) {
  struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = position, .l_len = 1};
  return fcntl(descriptor, 37, &lock);
}

// 1 if another opening of the file holds a lock within these bytes, 0 if none does, -1 with errno.
static inline int system_is_range_locked(int descriptor, long long position, long long length) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = position, .l_len = length};
  if (fcntl(descriptor, 36, &lock) == -1) return -1;
  return lock.l_type != F_UNLCK;
}

// Whether another opening of the file is for writing: 1, 0, or -1 if the kernel cannot tell. The kernel refuses a read
// lease while any program has the file open for writing (fcntl(2), F_SETLEASE, a constant of GNU sources). The lease is
// released at once. A program that opens the file for writing in between waits for the release. This process is then
// sent SIGURG, which is ignored by default, instead of SIGIO, which is not.
static inline int system_has_writer(int descriptor) {
  enum { set_signal = 10, set_lease = 1024 };
  if (fcntl(descriptor, set_signal, SIGURG) == -1) return -1;
  if (fcntl(descriptor, set_lease, F_RDLCK) == -1) return errno == EAGAIN ? 1 : -1;
  fcntl(descriptor, set_lease, F_UNLCK);
  return 0;
}

// 1 if the file contains bytes that were written, 0 if its whole length is a hole, as reserved by `truncate` and
// `fallocate`. SEEK_DATA is a constant of GNU sources. A file system that does not support holes reports everything as
// data.
static inline int system_has_data(int descriptor) {
  enum { seek_data = 3 };
  return !(lseek(descriptor, 0, seek_data) == -1 && errno == ENXIO);
}

// RLIMIT_NOFILE is an enumeration in some C libraries and a macro in others, so Swift cannot name it portably. Returns
// 0 if unknown.
static inline unsigned long system_open_file_limit(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (unsigned long)limit.rlim_cur : 0;
}

// Raises the limit to `most`, or as far as this process may. Never lowers it.
static inline void system_raise_open_file_limit(unsigned long most) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= most) return;
  limit.rlim_cur = limit.rlim_max < most ? limit.rlim_max : most;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Whether a service keeps the kernel's clock correct: 1, 0, or -1 if the kernel does not know.
static inline int system_clock_is_synchronised(void) {
  struct timex clock = {.modes = 0};
  return adjtimex(&clock) == -1 ? -1 : !(clock.status & STA_UNSYNC);
}

// A new process keeps no descriptor from `first` on. Before glibc 2.34, it keeps those that are not close-on-exec.
static inline int system_close_from(posix_spawn_file_actions_t *actions, int first) {
  return posix_spawn_file_actions_addclosefrom_np ? posix_spawn_file_actions_addclosefrom_np(actions, first) : 0;
}

// Glibc's `environ` is a variable, which Swift 6 rightly treats as shared mutable state. It is read once, at the start.
extern char **environ;
static inline char **system_environment(void) { return environ; }

// A call of malloc's, whose header Swift's Glibc module does not include. Returns 1, or 0 on failure.
static inline int system_limit_memory_pools(int most) { return mallopt(M_ARENA_MAX, most); }

// Whether a name matches a pattern of fnmatch(3): 1 or 0. Compares characters, whatever the locale of the process:
// glibc has C.UTF-8 built in.
static inline locale_t system_characters(void) { return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); }
static inline int system_name_matches(locale_t characters, const char *pattern, const char *name) {
  locale_t before = uselocale(characters);
  int result = fnmatch(pattern, name, 0);
  uselocale(before);
  return result == 0;
}
