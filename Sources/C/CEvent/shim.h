#pragma once
// First: libevent's own configuration asks for GNU sources, and glibc's headers must not have been read without before.
#include <features.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
