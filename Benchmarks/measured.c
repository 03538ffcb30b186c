// Runs a command and writes what it took to a file: seconds, user and system time in seconds, peak resident memory in KiB. A process
// of its own, small, because the kernel counts what the parent of a process had at its start as the child's.
//
//   measured FILE COMMAND [ARGUMENT...]
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **arguments) {
  if (count < 3) return 2;
  double start = now();
  pid_t process = fork();
  if (process == 0) {
    execvp(arguments[2], arguments + 2);
    perror(arguments[2]);
    _exit(127);
  }
  int status;
  struct rusage usage;
  if (wait4(process, &status, 0, &usage) < 0) return 1;
  double seconds = now() - start;
  FILE *file = fopen(arguments[1], "w");
  if (!file) return 1;
  fprintf(file, "%.6f %ld.%06ld %ld.%06ld %ld\n", seconds, (long)usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec,
          (long)usage.ru_stime.tv_sec, (long)usage.ru_stime.tv_usec, usage.ru_maxrss);
  fclose(file);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
