// The least that a client of a store can do: PUTs files from memory, many at the same time over kept connections. What any program needs
// on top of this is its own.
//
//   store-ceiling CONNECTIONS < LIST
//
// Each line of the list has a URL that is signed, a tab and a path. Prints the seconds that the PUTs took.
#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct object {
  char *url;
  char *bytes;
  size_t size, sent;
};

static void die(const char *what, const char *why) {
  fprintf(stderr, "store-ceiling: %s: %s\n", what, why);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static size_t give(char *buffer, size_t size, size_t count, void *context) {
  struct object *object = context;
  size_t left = object->size - object->sent;
  size_t piece = left < size * count ? left : size * count;
  memcpy(buffer, object->bytes + object->sent, piece);
  object->sent += piece;
  return piece;
}

static size_t ignore(char *buffer, size_t size, size_t count, void *context) {
  (void)buffer, (void)context;
  return size * count;
}

static struct object *read_list(size_t *count) {
  struct object *objects = NULL;
  char *line = NULL;
  size_t capacity = 0;
  *count = 0;
  while (getline(&line, &capacity, stdin) > 0) {
    line[strcspn(line, "\n")] = 0;
    char *tab = strchr(line, '\t');
    if (!tab) die("list", "a line has no tab");
    *tab = 0;
    int file = open(tab + 1, O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) die(tab + 1, "cannot be read");
    objects = realloc(objects, (*count + 1) * sizeof *objects);
    struct object *object = &objects[(*count)++];
    *object = (struct object){.url = strdup(line), .bytes = malloc((size_t)status.st_size + 1), .size = (size_t)status.st_size};
    for (size_t done = 0; done < object->size;) {
      ssize_t some = read(file, object->bytes + done, object->size - done);
      if (some <= 0) die(tab + 1, "cannot be read");
      done += (size_t)some;
    }
    close(file);
  }
  return objects;
}

static void start(CURLM *multi, CURL *handle, struct object *object) {
  curl_easy_reset(handle);
  curl_easy_setopt(handle, CURLOPT_URL, object->url);
  curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t)object->size);
  curl_easy_setopt(handle, CURLOPT_READFUNCTION, give);
  curl_easy_setopt(handle, CURLOPT_READDATA, object);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, ignore);
  curl_easy_setopt(handle, CURLOPT_PRIVATE, object->url);
  curl_easy_setopt(handle, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(handle, CURLOPT_UPLOAD_BUFFERSIZE, 262144L);
  curl_multi_add_handle(multi, handle);
}

int main(int argc, char **argv) {
  long connections = argc > 1 ? atol(argv[1]) : 0;
  if (connections < 1) die("usage", "store-ceiling CONNECTIONS < LIST");
  size_t count, next = 0, ended = 0;
  struct object *objects = read_list(&count);
  curl_global_init(CURL_GLOBAL_ALL);
  CURLM *multi = curl_multi_init();
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections);
  double begin = now();
  for (long number = 0; number < connections && next < count; number++) start(multi, curl_easy_init(), &objects[next++]);
  while (ended < count) {
    int running, left;
    curl_multi_perform(multi, &running);
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left));) {
      CURL *handle = message->easy_handle;
      CURLcode result = message->data.result;
      char *url;
      curl_easy_getinfo(handle, CURLINFO_PRIVATE, &url);
      if (result != CURLE_OK) die(url, curl_easy_strerror(result));
      curl_multi_remove_handle(multi, handle);
      ended++;
      if (next < count) start(multi, handle, &objects[next++]);
      else curl_easy_cleanup(handle);
    }
    if (ended < count) curl_multi_poll(multi, NULL, 0, 1000, NULL);
  }
  printf("%.4f\n", now() - begin);
  return 0;
}
