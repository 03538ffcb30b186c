#pragma once
#include "CBase64.h"

// Each function processes as much as it safely can and returns the number of bytes that it has processed. It may read
// and write beyond them, within the buffers that the caller has described.
size_t encode_avx2(const uint8_t *source, size_t size, uint8_t *target);
size_t decode_avx2(const uint8_t *source, size_t size, uint8_t *target);
size_t encode_neon(const uint8_t *source, size_t size, uint8_t *target);
size_t decode_neon(const uint8_t *source, size_t size, uint8_t *target);
