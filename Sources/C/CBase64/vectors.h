#pragma once
#include "CBase64.h"

// Each takes as much as is safe for it and returns how many bytes it took: it may read and write beyond what it has done, within
// the buffers as the caller described them.
size_t encode_avx2(const uint8_t *source, size_t size, uint8_t *target);
size_t decode_avx2(const uint8_t *source, size_t size, uint8_t *target);
size_t encode_avx512(const uint8_t *source, size_t size, uint8_t *target);
size_t decode_avx512(const uint8_t *source, size_t size, uint8_t *target);
size_t encode_neon(const uint8_t *source, size_t size, uint8_t *target);
size_t decode_neon(const uint8_t *source, size_t size, uint8_t *target);
