#pragma once
#include <stddef.h>
#include <stdint.h>

// SHA-256 (FIPS 180-4) of two messages at the same time. One message keeps the processor waiting: each of its SHA
// instructions needs the result of the one before. Those of a second message fit between them.

// 1 if this processor has the instructions.
int csha256_can_pair(void);

// Writes the digests of both messages, 32 bytes each, one after the other. Call it only if `csha256_can_pair`.
void csha256_pair(const uint8_t *first, size_t first_size, const uint8_t *second, size_t second_size, uint8_t digests[64]);
