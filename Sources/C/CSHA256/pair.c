#include "CSHA256.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#define WITH_SHA __attribute__((target("sha,sse4.1")))

enum { block = 64 };

int csha256_can_pair(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1)) return 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

static const uint32_t constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,  //
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,  //
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,  //
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,  //
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,  //
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,  //
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,  //
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// The eight words of a hash, in the order in which the instructions take them.
typedef struct {
  __m128i abef, cdgh;
} hash;

WITH_SHA static inline hash initial(void) {
  return (hash){
      _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c),
      _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19),
  };
}

WITH_SHA static inline void write_digest(hash of, uint8_t *digest) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const __m128i feba = _mm_shuffle_epi32(of.abef, 0x1b), dchg = _mm_shuffle_epi32(of.cdgh, 0xb1);
  const __m128i dcba = _mm_blend_epi16(feba, dchg, 0xf0), hgfe = _mm_alignr_epi8(dchg, feba, 8);
  _mm_storeu_si128((__m128i *)digest, _mm_shuffle_epi8(dcba, big_endian));
  _mm_storeu_si128((__m128i *)(digest + 16), _mm_shuffle_epi8(hgfe, big_endian));
}

WITH_SHA static inline void load(__m128i words[4], const uint8_t *bytes) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  for (int i = 0; i < 4; i++) words[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(bytes + 16 * i)), big_endian);
}

// Rounds 4 * step to 4 * step + 3. Then the words that they used give way to those of four steps later.
WITH_SHA static inline void four_rounds(hash *of, __m128i words[4], int step) {
  __m128i *now = &words[step & 3];
  const __m128i sum = _mm_add_epi32(*now, _mm_load_si128((const __m128i *)(constants + 4 * step)));
  of->cdgh = _mm_sha256rnds2_epu32(of->cdgh, of->abef, sum);
  of->abef = _mm_sha256rnds2_epu32(of->abef, of->cdgh, _mm_shuffle_epi32(sum, 0x0e));
  if (step >= 12) return;
  const __m128i next = words[(step + 1) & 3], later = words[(step + 2) & 3], last = words[(step + 3) & 3];
  const __m128i part = _mm_add_epi32(_mm_sha256msg1_epu32(*now, next), _mm_alignr_epi8(last, later, 4));
  *now = _mm_sha256msg2_epu32(part, last);
}

WITH_SHA static inline void add(hash *to, hash before) {
  to->abef = _mm_add_epi32(to->abef, before.abef);
  to->cdgh = _mm_add_epi32(to->cdgh, before.cdgh);
}

WITH_SHA static void blocks(hash *of, const uint8_t *bytes, size_t count) {
  hash now = *of;
  for (; count > 0; count--, bytes += block) {
    const hash before = now;
    __m128i words[4];
    load(words, bytes);
#pragma clang loop unroll(full)
    for (int step = 0; step < 16; step++) four_rounds(&now, words, step);
    add(&now, before);
  }
  *of = now;
}

WITH_SHA static void pairs_of_blocks(hash *one, hash *other, const uint8_t *first, const uint8_t *second, size_t count) {
  hash a = *one, b = *other;
  for (; count > 0; count--, first += block, second += block) {
    const hash a_before = a, b_before = b;
    __m128i a_words[4], b_words[4];
    load(a_words, first);
    load(b_words, second);
#pragma clang loop unroll(full)
    for (int step = 0; step < 16; step++) {
      four_rounds(&a, a_words, step);
      four_rounds(&b, b_words, step);
    }
    add(&a, a_before);
    add(&b, b_before);
  }
  *one = a;
  *other = b;
}

// Hashes from block `from` on, with the padding: a bit, zeros, and the length in bits.
WITH_SHA static void finish(hash *of, const uint8_t *bytes, size_t size, size_t from, uint8_t *digest) {
  const size_t whole = size / block, rest = size % block, padded = rest < block - 8 ? block : 2 * block;
  blocks(of, bytes + from * block, whole - from);
  uint8_t end[2 * block] = {0};
  if (rest > 0) memcpy(end, bytes + whole * block, rest);
  end[rest] = 0x80;
  for (int i = 0; i < 8; i++) end[padded - 1 - (size_t)i] = (uint8_t)((uint64_t)size << 3 >> (8 * i));
  blocks(of, end, padded / block);
  write_digest(*of, digest);
}

WITH_SHA void csha256_pair(
    const uint8_t *first, size_t first_size, const uint8_t *second, size_t second_size, uint8_t digests[64]) {
  hash one = initial(), other = initial();
  const size_t shared = (first_size < second_size ? first_size : second_size) / block;
  pairs_of_blocks(&one, &other, first, second, shared);
  finish(&one, first, first_size, shared, digests);
  finish(&other, second, second_size, shared, digests + 32);
}

#else

int csha256_can_pair(void) { return 0; }

void csha256_pair(
    const uint8_t *first, size_t first_size, const uint8_t *second, size_t second_size, uint8_t digests[64]) {
  (void)first, (void)first_size, (void)second, (void)second_size, (void)digests;
}
#endif
