#pragma once
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <locale.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <sys/vfs.h>
#include <unistd.h>

// glibc declares these to GNU sources alone, which Swift's Glibc module is not.
extern int syncfs(int descriptor);
extern int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags);
extern int pthread_setname_np(pthread_t thread, const char *name);

enum { system_rename_no_replace = 1 };  // RENAME_NOREPLACE, linux/fs.h

// F_OFD_GETLK and F_OFD_SETLK are for GNU sources alone. 0, or -1 with errno.
static inline int system_share_byte(int descriptor, long long position) {
  struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = position, .l_len = 1};
  return fcntl(descriptor, 37, &lock);
}

// 1 where another opening of the file holds a lock within these bytes, 0 where none does, -1 with errno.
static inline int system_is_range_locked(int descriptor, long long position, long long length) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = position, .l_len = length};
  if (fcntl(descriptor, 36, &lock) == -1) return -1;
  return lock.l_type != F_UNLCK;
}

// Whether another opening of the file is for writing: 1, 0, or -1 if the kernel does not tell. The kernel refuses a read lease
// while somebody has the file open for writing (fcntl(2), F_SETLEASE, a constant of GNU sources). The lease is given back at
// once. Somebody who opens the file for writing in between waits for that, and we are sent SIGURG, which is ignored by
// default, in place of SIGIO, which is not.
static inline int system_has_writer(int descriptor) {
  enum { set_signal = 10, set_lease = 1024 };
  if (fcntl(descriptor, set_signal, SIGURG) == -1) return -1;
  if (fcntl(descriptor, set_lease, F_RDLCK) == -1) return errno == EAGAIN ? 1 : -1;
  fcntl(descriptor, set_lease, F_UNLCK);
  return 0;
}

// 1 if the file has bytes that somebody wrote, 0 if its whole length is a hole, as `truncate` and `fallocate` reserve it.
// SEEK_DATA is a constant of GNU sources. A file system that knows no holes says that all is data.
static inline int system_has_data(int descriptor) {
  enum { seek_data = 3 };
  return !(lseek(descriptor, 0, seek_data) == -1 && errno == ENXIO);
}

// RLIMIT_NOFILE is an enumeration here and a macro there, so Swift cannot name it portably. 0: unknown.
static inline unsigned long system_open_file_limit(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (unsigned long)limit.rlim_cur : 0;
}

// Asks the kernel whether something keeps its clock right: 1, 0, or -1 where it does not say.
static inline int system_clock_is_synchronised(void) {
  struct timex clock = {.modes = 0};
  return adjtimex(&clock) == -1 ? -1 : !(clock.status & STA_UNSYNC);
}

// Glibc's `environ` is a variable that Swift 6 rightly calls shared mutable state; it is read once, at the start.
extern char **environ;
static inline char **system_environment(void) { return environ; }

// Of malloc, whose header Swift's Glibc module does not have. 1, or 0 where that cannot be.
static inline int system_limit_memory_pools(int most) { return mallopt(M_ARENA_MAX, most); }

// Whether a name matches a pattern of fnmatch(3): 1, or 0. By characters, whatever the locale of the process: glibc has C.UTF-8
// built in.
static inline locale_t system_characters(void) { return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); }
static inline int system_name_matches(locale_t characters, const char *pattern, const char *name) {
  locale_t before = uselocale(characters);
  int result = fnmatch(pattern, name, 0);
  uselocale(before);
  return result == 0;
}
