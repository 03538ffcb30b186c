#pragma once
#include <stddef.h>
#include <stdint.h>

// Base64 of RFC 4648, section 4, with the widest instructions that the processor has. In C because Swift cannot express
// "this function is for processors that can shuffle bytes"; everything around it is in Swift.

// The implementations, slowest first. The portable one is in Swift: here it does nothing.
typedef enum {
  cbase64_portable = 0,
  cbase64_neon = 1,
  cbase64_avx2 = 2,
} cbase64_path;

// 1 if this processor has what the path needs.
int cbase64_can(cbase64_path path);

// Encodes whole groups of three bytes, as many as the path can process. Returns the number of bytes encoded, a multiple
// of three. `target` has room for 4 characters for each 3 bytes of all of `size`.
size_t cbase64_encode(cbase64_path path, const uint8_t *source, size_t size, uint8_t *target);

// Decodes whole groups of four characters without padding. Stops before the first group that it refuses or cannot
// process. Returns the number of characters decoded. `target` has room for 3 bytes for each 4 characters of all of
// `size`.
size_t cbase64_decode(cbase64_path path, const uint8_t *source, size_t size, uint8_t *target);
