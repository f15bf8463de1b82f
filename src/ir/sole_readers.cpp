// SPDX-License-Identifier: Apache-2.0
#include "ir/sole_readers.h"

namespace partita::ir {

SoleReaders::SoleReaders(const Graph& graph) : graph_(graph) {
  for (const auto& readers : graph.consumers()) is_sole_.push_back(readers.size() == 1);
  for (const ValueId output : graph.outputs()) is_sole_[static_cast<size_t>(output)] = false;
}

NodeId SoleReaders::producer_of(ValueId value) const {
  return is_sole_[static_cast<size_t>(value)] ? graph_.value(value).producer : kNoId;
}

}  // namespace partita::ir
