// The least that a client of librdkafka can do: sends messages of one size from memory, or receives them into it. What any program
// on this library needs on top of this is its own.
//
//   client-ceiling produce BROKERS TOPIC COUNT SIZE
//   client-ceiling consume BROKERS TOPIC COUNT
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void die(const char *what, const char *why) {
  fprintf(stderr, "client-ceiling: %s: %s\n", what, why);
  exit(1);
}

static void set(rd_kafka_conf_t *settings, const char *name, const char *value) {
  char reason[512];
  if (rd_kafka_conf_set(settings, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK) die(name, reason);
}

static long delivered;

static void report(rd_kafka_t *client, const rd_kafka_message_t *message, void *context) {
  (void)client, (void)context;
  if (message->err) die("delivery", rd_kafka_err2str(message->err));
  delivered++;
}

static void produce(rd_kafka_conf_t *settings, const char *topic, long count, size_t size) {
  // As durable as the pipeline's own.
  set(settings, "enable.idempotence", "true");
  set(settings, "acks", "all");
  set(settings, "linger.ms", "5");
  set(settings, "batch.size", "1000000");
  set(settings, "queue.buffering.max.kbytes", "16384");
  rd_kafka_conf_set_dr_msg_cb(settings, report);
  char reason[512];
  rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, settings, reason, sizeof reason);
  if (!client) die("producer", reason);
  char *bytes = malloc(size);
  for (size_t place = 0; place < size; place += 256) {
    if (getrandom(bytes + place, size - place < 256 ? size - place : 256, 0) < 0) die("getrandom", "failed");
  }
  char key[32];
  for (long number = 0; number < count; number++) {
    int length = snprintf(key, sizeof key, "%ld.jpg", number);
    for (;;) {
      rd_kafka_resp_err_t error =
          rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, (size_t)length), RD_KAFKA_V_VALUE(bytes, size),
                            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
      if (!error) break;
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) die("send", rd_kafka_err2str(error));
      rd_kafka_poll(client, 10);
    }
    rd_kafka_poll(client, 0);
  }
  rd_kafka_flush(client, 600000);
  if (delivered != count) die("flush", "not everything was delivered within 600 s");
  rd_kafka_destroy(client);
}

static void consume(rd_kafka_conf_t *settings, const char *topic, long count) {
  set(settings, "group.id", "client-ceiling");
  set(settings, "enable.auto.commit", "false");
  set(settings, "auto.offset.reset", "earliest");
  set(settings, "check.crcs", "true");
  // More than there is: the library would look whether there is room again but once a second.
  set(settings, "queued.max.messages.kbytes", "2097151");
  set(settings, "queued.min.messages", "10000000");
  char reason[512];
  rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, settings, reason, sizeof reason);
  if (!client) die("consumer", reason);
  rd_kafka_poll_set_consumer(client);
  // Without the group: all partitions from their beginning, at once.
  const struct rd_kafka_metadata *found;
  rd_kafka_topic_t *local = rd_kafka_topic_new(client, topic, NULL);
  if (rd_kafka_metadata(client, 0, local, &found, 30000)) die(topic, "no metadata");
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
  for (int number = 0; number < found->topics[0].partition_cnt; number++) {
    rd_kafka_topic_partition_list_add(list, topic, number)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  rd_kafka_metadata_destroy(found);
  if (rd_kafka_assign(client, list)) die(topic, "cannot be assigned");
  rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
  rd_kafka_message_t *messages[500];
  volatile char last = 0;
  while (count > 0) {
    ssize_t came = rd_kafka_consume_batch_queue(queue, 1000, messages, 500);
    for (ssize_t number = 0; number < came; number++) {
      if (messages[number]->err) die("receive", rd_kafka_message_errstr(messages[number]));
      // It has really come.
      last ^= ((char *)messages[number]->payload)[messages[number]->len - 1];
      rd_kafka_message_destroy(messages[number]);
      count--;
    }
  }
  // What a process leaves to the kernel is no part of it.
  _Exit(0);
}

int main(int count, char **arguments) {
  if (count < 5) die("usage", "client-ceiling produce BROKERS TOPIC COUNT SIZE | consume BROKERS TOPIC COUNT");
  rd_kafka_conf_t *settings = rd_kafka_conf_new();
  set(settings, "bootstrap.servers", arguments[2]);
  if (!strcmp(arguments[1], "produce") && count == 6) {
    produce(settings, arguments[3], atol(arguments[4]), (size_t)atol(arguments[5]));
  } else {
    consume(settings, arguments[3], atol(arguments[4]));
  }
  return 0;
}
