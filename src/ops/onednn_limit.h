// SPDX-License-Identifier: Apache-2.0
// Makes oneDNN keep to the instruction level of this process.
#pragma once

namespace partita::ops {

// Declared before the first oneDNN object of everything that uses the library: the first one of the
// process sets the limit, which oneDNN accepts only before it is used. Throws Error(kSystem) when
// it does not.
struct OneDnnLimit {
  OneDnnLimit();
};

}  // namespace partita::ops
