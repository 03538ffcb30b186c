#pragma once
// Its macros need constant options, and these functions pass them on.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

// curl's setters take any number of arguments, which Swift cannot call: here is one for each kind of value.

typedef size_t (*curl_bytes_function)(char *bytes, size_t size, size_t count, void *owner);
typedef int (*curl_rewind_function)(void *owner, curl_off_t offset, int origin);

static inline CURLcode curl_set_number(CURL *handle, CURLoption option, long value) {
  return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_set_text(CURL *handle, CURLoption option, const char *value) {
  return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_set_pointer(CURL *handle, CURLoption option, void *value) {
  return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_set_function(CURL *handle, CURLoption option, curl_bytes_function value) {
  return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_set_rewind(CURL *handle, curl_rewind_function value) {
  return curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, value);
}

static inline CURLcode curl_get_pointer(CURL *handle, CURLINFO info, void **value) {
  return curl_easy_getinfo(handle, info, value);
}

static inline CURLMcode curl_multi_set_number(CURLM *multi, CURLMoption option, long value) {
  return curl_multi_setopt(multi, option, value);
}

// `CURLMsg` has a union, and its result is only valid for this kind of message.
static inline CURLcode curl_result(const CURLMsg *message) { return message->data.result; }
