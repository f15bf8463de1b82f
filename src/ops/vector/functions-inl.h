// SPDX-License-Identifier: Apache-2.0
// exp, sin, cos and activations on vectors, to 1-2 units in the last place of f32.
#pragma once

#include "ops/vector/vector-inl.h"

namespace partita::ops {
namespace {

// e^x: x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its Taylor polynomial of degree 7 (error below
// 2^-27), then 2^n in the exponent. For x in [-87.3, 88.3]; exp(0) = 1 exactly.
inline Vector bounded_exp(Vector x) {
  const Vector n = round(x * broadcast(1.44269504F));
  Vector r = fnma(n, broadcast(0.693359375F), x);  // ln 2 in two parts, the first of 10 bits
  r = fnma(n, broadcast(-2.12194440e-4F), r);
  Vector p = broadcast(1.0F / 5040);
  p = fma(p, r, broadcast(1.0F / 720));
  p = fma(p, r, broadcast(1.0F / 120));
  p = fma(p, r, broadcast(1.0F / 24));
  p = fma(p, r, broadcast(1.0F / 6));
  p = fma(p, r, broadcast(0.5F));
  p = fma(p, r, broadcast(1.0F));
  p = fma(p, r, broadcast(1.0F));
  return times_power_of_two(p, n);
}

// The same for any x: 0 below -87.3 (where f32 has only denormals), the largest finite power above
// 88.3; NaN stays.
inline Vector exp(Vector x) {
  const Vector low = broadcast(-87.3F);
  const Vector power = bounded_exp(max(low, min(broadcast(88.3F), x)));
  return where_less(x, low, broadcast(0.0F), power);
}

// The same for x <= 0 where 1e-26 serves as well as less, which it is below -60: no products of it
// are so small that processors take long for them.
inline Vector exp_of_negative(Vector x) { return bounded_exp(max(broadcast(-60.0F), x)); }

// x / (1 + e^-x)
inline Vector silu(Vector x) { return x / (broadcast(1.0F) + exp(broadcast(0.0F) - x)); }

// x / 2 (1 + tanh(u)) = x / (1 + e^-2u), which loses no digits; u = sqrt(2 / pi) (x + 0.044715 x^3)
inline Vector gelu_tanh(Vector x) {
  const Vector cube = x * x * x;
  const Vector inner = fma(broadcast(0.044715F), cube, x);
  return x / (broadcast(1.0F) + exp(inner * broadcast(-1.5957691216F)));
}

// x / 2 (1 + erf(x / sqrt 2)), with erfc(z) for z >= 0 from Abramowitz and Stegun, "Handbook of
// Mathematical Functions", 7.1.26 (absolute error 1.5e-7); it is 0 from |x| = 20 on.
inline Vector gelu(Vector x) {
  const Vector zero = broadcast(0.0F);
  const Vector one = broadcast(1.0F);
  const Vector bounded = max(broadcast(-20.0F), min(broadcast(20.0F), x));
  const Vector z = max(bounded, zero - bounded) * broadcast(0.70710678F);
  const Vector t = one / fma(broadcast(0.3275911F), z, one);
  Vector p = broadcast(1.061405429F);
  p = fma(p, t, broadcast(-1.453152027F));
  p = fma(p, t, broadcast(1.421413741F));
  p = fma(p, t, broadcast(-0.284496736F));
  p = fma(p, t, broadcast(0.254829592F));
  const Vector half_erfc = p * t * exp(zero - z * z) * broadcast(0.5F);
  return where_less(x, zero, bounded * half_erfc, x - bounded * half_erfc);
}

inline Vector relu(Vector x) { return max(broadcast(0.0F), x); }

// Sine and cosine of |x| <= kMostRadians: x = n pi / 2 + r with pi / 2 in three parts, then the
// Taylor polynomials on |r| <= pi / 4 (errors below 2^-27). Needs an fma that rounds once.
constexpr float kMostRadians = 200000.0F;
struct SineCosine {
  Vector sine, cosine;
};
inline SineCosine sine_cosine(Vector x) {
  const Vector n = round(x * broadcast(0.636619772F));
  Vector r = fnma(n, broadcast(1.57079637e+0F), x);
  r = fnma(n, broadcast(-4.37113883e-8F), r);
  r = fnma(n, broadcast(-1.71512451e-15F), r);
  const Vector square = r * r;
  Vector s = broadcast(1.0F / 362880);
  s = fma(s, square, broadcast(-1.0F / 5040));
  s = fma(s, square, broadcast(1.0F / 120));
  s = fma(s, square, broadcast(-1.0F / 6));
  s = fma(s * square, r, r);
  Vector c = broadcast(-1.0F / 3628800);
  c = fma(c, square, broadcast(1.0F / 40320));
  c = fma(c, square, broadcast(-1.0F / 720));
  c = fma(c, square, broadcast(1.0F / 24));
  c = fma(c, square, broadcast(-0.5F));
  c = fma(c, square, broadcast(1.0F));
  // n mod 4 = 0, 1, 2, 3: sine is s, c, -s, -c; cosine is c, -s, -c, s.
  const Vector zero = broadcast(0.0F);
  const Vector plain_sine = where_bits_zero(n, 1, s, c);
  const Vector plain_cosine = where_bits_zero(n, 1, c, s);
  const Vector next = n + broadcast(1.0F);
  return {where_bits_zero(n, 2, plain_sine, zero - plain_sine),
          where_bits_zero(next, 2, plain_cosine, zero - plain_cosine)};
}

}  // namespace
}  // namespace partita::ops
