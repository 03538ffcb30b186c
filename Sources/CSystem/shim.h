#pragma once
#include <pthread.h>
#include <sys/resource.h>
#include <sys/vfs.h>

// glibc declares these to GNU sources alone, which Swift's Glibc module is not.
extern int syncfs(int descriptor);
extern int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags);
extern int pthread_setname_np(pthread_t thread, const char *name);

enum { system_rename_no_replace = 1 };  // RENAME_NOREPLACE, linux/fs.h

// RLIMIT_NOFILE is an enumeration here and a macro there, so Swift cannot name it portably. 0: unknown.
static inline unsigned long system_open_file_limit(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (unsigned long)limit.rlim_cur : 0;
}

// Glibc's `environ` is a variable that Swift 6 rightly calls shared mutable state; it is read once, at the start.
extern char **environ;
static inline char **system_environment(void) { return environ; }
