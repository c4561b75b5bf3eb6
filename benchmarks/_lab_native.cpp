// The yardstick: 784-100-10, ReLU and ReLU, MSE, minibatch 1, plain gradient descent,
// written by hand in AVX-512. Rows are padded to whole vectors, sums stay in registers,
// zero pixels and silent units are skipped. Also: what the level-two cache gives.
#include <immintrin.h>

#include <cstdint>

namespace {

constexpr int kHidden = 7;  // vectors of 16 in a row of 100 units

inline void sum_rows(__m512 (&acc)[kHidden], const float* w, const uint32_t* index,
                     const float* value, long n) {
  for (long k = 0; k < n; ++k) {
    const float* row = w + static_cast<long>(index[k]) * 16 * kHidden;
    const __m512 x = _mm512_set1_ps(value[k]);
    for (int b = 0; b < kHidden; ++b)
      acc[b] = _mm512_fmadd_ps(x, _mm512_load_ps(row + 16 * b), acc[b]);
  }
}

inline void step_rows(const __m512 (&d)[kHidden], float* w, const uint32_t* index,
                      const float* value, long n, float scale) {
  for (long k = 0; k < n; ++k) {
    float* row = w + static_cast<long>(index[k]) * 16 * kHidden;
    const __m512 x = _mm512_set1_ps(scale * value[k]);
    for (int b = 0; b < kHidden; ++b) {
      const __m512 old = _mm512_load_ps(row + 16 * b);
      _mm512_store_ps(row + 16 * b, _mm512_fmadd_ps(x, d[b], old));
    }
  }
}

}  // namespace

// w1 is 785 rows of 112, w2 101 rows of 16; each row of the data ends in the bias's 1.
extern "C" double train(float* w1, float* w2, const int64_t* start, const uint32_t* index,
                        const float* value, const float* target, const int64_t* order,
                        long steps, float rate) {
  double loss = 0.0;
  alignas(64) float hidden[112];
  alignas(64) float slope[112];
  alignas(64) uint32_t active[112];
  alignas(64) float output[16];
  alignas(64) float wanted[16] = {0};
  for (long t = 0; t < steps; ++t) {
    const long s = order[t];
    const long first = start[s], n = start[s + 1] - first;
    __m512 acc[kHidden];
    for (auto& a : acc) a = _mm512_setzero_ps();
    sum_rows(acc, w1, index + first, value + first, n);
    int count = 0;
    const __m512i lane =
        _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __mmask16 on[kHidden];
    for (int b = 0; b < kHidden; ++b) {
      on[b] = _mm512_cmp_ps_mask(acc[b], _mm512_setzero_ps(), _CMP_GT_OQ);
      _mm512_store_ps(hidden + 16 * b, _mm512_maskz_mov_ps(on[b], acc[b]));
      const __m512i place = _mm512_add_epi32(lane, _mm512_set1_epi32(16 * b));
      _mm512_mask_compressstoreu_epi32(active + count, on[b], place);
      count += __builtin_popcount(on[b]);
    }
    __m512 z[4] = {_mm512_load_ps(w2 + 100 * 16), _mm512_setzero_ps(),
                   _mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int k = 0; k < count; ++k)
      z[k & 3] = _mm512_fmadd_ps(_mm512_set1_ps(hidden[active[k]]),
                                 _mm512_load_ps(w2 + active[k] * 16), z[k & 3]);
    const __m512 sum = _mm512_add_ps(_mm512_add_ps(z[0], z[1]), _mm512_add_ps(z[2], z[3]));
    const __mmask16 fires = _mm512_cmp_ps_mask(sum, _mm512_setzero_ps(), _CMP_GT_OQ);
    _mm512_store_ps(output, _mm512_maskz_mov_ps(fires, sum));
    for (int j = 0; j < 10; ++j) wanted[j] = target[s * 10 + j];
    const __m512 error = _mm512_sub_ps(_mm512_load_ps(output), _mm512_load_ps(wanted));
    loss += _mm512_reduce_add_ps(_mm512_mul_ps(error, error)) * 0.1;
    const __m512 d2 = _mm512_maskz_mul_ps(fires, error, _mm512_set1_ps(0.2f));
    if (_mm512_cmp_ps_mask(d2, _mm512_setzero_ps(), _CMP_NEQ_UQ) == 0) continue;
    for (int b = 0; b < kHidden; ++b)
      _mm512_store_ps(slope + 16 * b, _mm512_setzero_ps());
    const __m512 minus = _mm512_mul_ps(d2, _mm512_set1_ps(-rate));
    for (int k = 0; k < count; ++k) {
      float* row = w2 + active[k] * 16;
      const __m512 old = _mm512_load_ps(row);
      slope[active[k]] = _mm512_reduce_add_ps(_mm512_mul_ps(old, d2));
      const __m512 x = _mm512_set1_ps(hidden[active[k]]);
      _mm512_store_ps(row, _mm512_fmadd_ps(x, minus, old));
    }
    float* bias = w2 + 100 * 16;
    _mm512_store_ps(bias, _mm512_add_ps(_mm512_load_ps(bias), minus));
    __m512 d1[kHidden];
    for (int b = 0; b < kHidden; ++b) d1[b] = _mm512_load_ps(slope + 16 * b);
    step_rows(d1, w1, index + first, value + first, n, -rate);
  }
  return loss / static_cast<double>(steps);
}

// The traffic of a step and nothing else: read rows, then read and write them.
extern "C" void sweep(float* w, long rows, long times) {
  alignas(64) static uint32_t index[4096];
  alignas(64) static float value[4096];
  for (long k = 0; k < rows; ++k) {
    index[k] = static_cast<uint32_t>(k);
    value[k] = 1e-9f;
  }
  __m512 acc[kHidden];
  for (auto& a : acc) a = _mm512_setzero_ps();
  for (long t = 0; t < times; ++t) {
    sum_rows(acc, w, index, value, rows);
    step_rows(acc, w, index, value, rows, -1e-9f);
  }
}
