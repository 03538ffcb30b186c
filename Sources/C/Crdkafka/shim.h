#pragma once
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

// Swift imports neither variadic functions nor macros that contain a cast, so these are functions and constants here.

enum {
  crdkafka_any_partition = -1,
  crdkafka_offset_beginning = -2,
  crdkafka_offset_invalid = -1001,
};

// Queues one message. If `key` or `value` is NULL and its `..._is_null` is 0, it is *empty*: Swift's empty buffers have
// no address, while Kafka distinguishes "empty" from "null". If the message is queued, the library owns `headers`;
// otherwise they are freed here, so that the caller never has to know which (rd_kafka_produceva of 2.0.2 itself gets
// this wrong).
//
// The topic is passed as an object. Before 2.10.1, `rd_kafka_producev` with a topic's name does not request the leaders
// of a topic that is new to the client: if the client is already connected, the first messages wait up to a second for
// a timer. `rd_kafka_topic_new` requests them at once; for a topic that is already known, it only looks it up.
static inline rd_kafka_resp_err_t crdkafka_produce(rd_kafka_t *client, const char *topic, int32_t partition,
                                                   const void *key, size_t key_size, int key_is_null,
                                                   const void *value, size_t value_size, int value_is_null, int flags,
                                                   int64_t timestamp, rd_kafka_headers_t *headers, void *opaque) {
  const void *key_start = key_is_null ? NULL : (key ? key : "");
  const void *value_start = value_is_null ? NULL : (value ? value : "");
  rd_kafka_topic_t *local = rd_kafka_topic_new(client, topic, NULL);
  rd_kafka_resp_err_t error;
  if (!local) {
    error = rd_kafka_last_error();
    if (headers) rd_kafka_headers_destroy(headers);
    return error;
  }
  if (headers) {
    error = rd_kafka_producev(client, RD_KAFKA_V_RKT(local), RD_KAFKA_V_PARTITION(partition),
                              RD_KAFKA_V_KEY(key_start, key_size), RD_KAFKA_V_VALUE((void *)value_start, value_size),
                              RD_KAFKA_V_MSGFLAGS(flags), RD_KAFKA_V_TIMESTAMP(timestamp),
                              RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
    if (error) rd_kafka_headers_destroy(headers);
  } else {
    error = rd_kafka_producev(client, RD_KAFKA_V_RKT(local), RD_KAFKA_V_PARTITION(partition),
                              RD_KAFKA_V_KEY(key_start, key_size), RD_KAFKA_V_VALUE((void *)value_start, value_size),
                              RD_KAFKA_V_MSGFLAGS(flags), RD_KAFKA_V_TIMESTAMP(timestamp),
                              RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
  }
  rd_kafka_topic_destroy(local);
  return error;
}

// Adds one header. As above, a NULL `value` is empty unless `value_is_null` is set.
static inline void crdkafka_add_header(rd_kafka_headers_t *headers, const char *name, size_t name_size,
                                       const void *value, size_t value_size, int value_is_null) {
  rd_kafka_header_add(headers, name, (ssize_t)name_size, value_is_null ? NULL : (value ? value : ""),
                      value_is_null ? 0 : (ssize_t)value_size);
}
