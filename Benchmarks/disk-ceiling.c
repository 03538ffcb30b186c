// The least that a program can do that stores files as durably as the consumer, in the same groups: copies the files of a folder to
// another one under temporary names, syncs them together, renames them, and syncs the folder.
//
//   disk-ceiling INPUT OUTPUT [FILES_A_GROUP [BYTES_A_GROUP]]
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { most = 1024, threads = 2, few = 32 };

static int input, output;
static struct {
  char name[256];
  int file;
} group[most];
static int size;
static long next;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *what) {
  fprintf(stderr, "disk-ceiling: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int is_small;

static void *copy(void *context) {
  (void)context;
  const size_t room = 1 << 20;
  char *buffer = malloc(room);
  for (;;) {
    pthread_mutex_lock(&turn);
    long mine = next++;
    pthread_mutex_unlock(&turn);
    if (mine >= size) break;
    int from = openat(input, group[mine].name, O_RDONLY);
    char temporary[32];
    snprintf(temporary, sizeof temporary, ".%ld", mine);
    int to = openat(output, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (from < 0 || to < 0) die(group[mine].name);
    ssize_t count;
    while ((count = read(from, buffer, room)) > 0) {
      if (write(to, buffer, (size_t)count) != count) die("write");
    }
    if (is_small && fsync(to)) die("fsync");
    close(from);
    close(to);
  }
  free(buffer);
  return NULL;
}

static void store(void) {
  pthread_t workers[16];
  is_small = size < few;
  int count = is_small ? 16 : threads;
  next = 0;
  for (int number = 0; number < count; number++) pthread_create(&workers[number], NULL, copy, NULL);
  for (int number = 0; number < count; number++) pthread_join(workers[number], NULL);
  if (!is_small && syncfs(output)) die("syncfs");
  for (int number = 0; number < size; number++) {
    char temporary[32];
    snprintf(temporary, sizeof temporary, ".%d", number);
    if (renameat(output, temporary, output, group[number].name)) die("rename");
  }
  if (fsync(output)) die("fsync of the folder");
  size = 0;
}

int main(int count, char **arguments) {
  if (count < 3) {
    fprintf(stderr, "usage: disk-ceiling INPUT OUTPUT [FILES_A_GROUP [BYTES_A_GROUP]]\n");
    return 2;
  }
  input = open(arguments[1], O_RDONLY | O_DIRECTORY);
  output = open(arguments[2], O_RDONLY | O_DIRECTORY);
  if (input < 0 || output < 0) die("folder");
  // As the consumer's transactions by default: 1,024 messages, or 16 MiB of them, which are Base64.
  int files = count > 3 ? atoi(arguments[3]) : 1024;
  long long bytes = count > 4 ? atoll(arguments[4]) : (16 << 20) / 4 * 3, sum = 0;
  DIR *folder = opendir(arguments[1]);
  struct dirent *entry;
  while ((entry = readdir(folder))) {
    if (entry->d_name[0] == '.') continue;
    struct stat status;
    if (fstatat(input, entry->d_name, &status, 0)) die(entry->d_name);
    strcpy(group[size++].name, entry->d_name);
    sum += status.st_size;
    if (size == files || size == most || sum >= bytes) {
      store();
      sum = 0;
    }
  }
  if (size > 0) store();
  return 0;
}
