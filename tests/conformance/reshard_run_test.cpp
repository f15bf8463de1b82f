// SPDX-License-Identifier: Apache-2.0
// Reshard paths run by their kernels on virtual ranks: every pair of specs gives what the way
// through the whole tensor gives.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <thread>

#include "comm/communicator.h"
#include "comm/local/local.h"
#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "partition/collective_attributes.h"
#include "spec/random_spec.h"
#include "spec/reshard.h"
#include "support/error.h"

namespace partita::conformance {
namespace {

using ops::HostTensor;
using Shape = std::vector<int64_t>;

class OneGroup final : public ops::Groups {
 public:
  explicit OneGroup(comm::Communicator& group) : group_(group) {}
  comm::Communicator& group(std::string_view /*name*/) override { return group_; }

 private:
  comm::Communicator& group_;
};

// A tensor of small integers, exact in f32 however they are added.
int64_t element(int64_t index) { return index * 7 % 23 - 11; }
// Term `term` of `count` that sum to the element.
int64_t term_of(int64_t index, int64_t term, int64_t count) {
  const auto other = [&](int64_t i) { return (index * 5 + i * 3) % 13 - 6; };
  if (term > 0) return other(term);
  int64_t rest = element(index);
  for (int64_t i = 1; i < count; ++i) rest -= other(i);
  return rest;
}

struct Setting {
  spec::Mesh mesh;
  Shape shape;

  std::vector<Range> ranges(const spec::TensorSpec& spec, int64_t cell) const {
    return spec::local_ranges(spec, shape, mesh, cell);
  }

  // What the rank at `cell` holds of the tensor.
  HostTensor piece(const spec::TensorSpec& spec, int64_t cell) const {
    std::vector<int> axes;
    for (const spec::PartialAxis& partial : spec.partials) axes.push_back(partial.axis);
    const int64_t term = mesh.position(cell, axes);
    const int64_t terms = mesh.size_of(axes);
    const std::vector<Range> held = ranges(spec, cell);
    Shape local;
    for (const Range& range : held) local.push_back(range.size());
    std::vector<float> values;
    const HostTensor empty(DType::kF32, local);
    for (int64_t i = 0; i < empty.elements(); ++i) {
      int64_t rest = i;
      int64_t index = 0;
      int64_t stride = 1;
      for (size_t dim = shape.size(); dim-- > 0;) {
        index += (held[dim].begin + rest % local[dim]) * stride;
        rest /= local[dim];
        stride *= shape[dim];
      }
      values.push_back(static_cast<float>(term_of(index, term, terms)));
    }
    return HostTensor::from_floats(local, values);
  }
};

// What one rank does for one step.
HostTensor run_step(const Setting& at,
                    const spec::TensorSpec& before,
                    const spec::ReshardStep& step,
                    int64_t cell,
                    const HostTensor& input,
                    comm::Communicator& group) {
  partition::MemberRanges ranges;
  ranges.own = {at.ranges(before, cell), at.ranges(step.result, cell)};
  for (const int64_t member : at.mesh.group(cell, step.axes)) {
    ranges.members.push_back({at.ranges(before, member), at.ranges(step.result, member)});
  }
  ranges.position = at.mesh.position(cell, step.axes);
  if (step.kind == spec::ReshardKind::kPermute) {
    ranges.sources = spec::permute_sources(before, step, at.mesh, cell);
  }
  ir::TensorType type;
  for (const Range& range : ranges.own.after) type.dims.emplace_back(range.size());
  OneGroup groups(group);
  std::vector<HostTensor> inputs = {input};
  const auto attributes = partition::collective_attributes(step, ranges, "group");
  return ops::evaluate(spec::to_string(step.kind), attributes, inputs,
                       {.groups = &groups, .output_types = {type}})[0];
}

struct Outcome {
  std::vector<HostTensor> pieces;  // per cell
  int64_t wire_bytes = 0;          // sent by all ranks
};

int64_t wire_bytes(const comm::Communicator& group) {
  int64_t bytes = 0;
  for (const comm::Counter& counter : group.counters()) bytes += counter.wire_bytes;
  return bytes;
}

// Runs a path on one thread per cell.
Outcome run_path(const Setting& at, const spec::TensorSpec& from, const spec::ReshardPath& path) {
  const auto cells = static_cast<size_t>(at.mesh.size());
  Outcome outcome{std::vector<HostTensor>(cells), 0};
  std::vector<int64_t> sent(cells, 0);
  std::vector<std::exception_ptr> errors(cells);
  auto world = comm::make_local_group(static_cast<int>(cells));
  const auto body = [&](size_t index) {
    const auto cell = static_cast<int64_t>(index);
    HostTensor value = at.piece(from, cell);
    const spec::TensorSpec* before = &from;
    for (const spec::ReshardStep& step : path) {
      const int64_t first = at.mesh.group(cell, step.axes).front();
      const auto key = static_cast<int>(at.mesh.position(cell, step.axes));
      const auto group = world[index]->split(static_cast<int>(first), key);
      value = run_step(at, *before, step, cell, value, *group);
      sent[index] += wire_bytes(*group);
      before = &step.result;
    }
    outcome.pieces[index] = std::move(value);
  };
  {
    std::vector<std::jthread> threads;
    for (size_t index = 0; index < cells; ++index) {
      threads.emplace_back([&, index] {
        try {
          body(index);
        } catch (...) {
          errors[index] = std::current_exception();
          world[index]->cancel();
        }
      });
    }
  }
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  for (const int64_t bytes : sent) outcome.wire_bytes += bytes;
  return outcome;
}

double ring_cost(const spec::StepShape& step) {
  if (spec::is_local(step.kind)) return 0;
  const auto share =
      static_cast<double>(step.group_size - 1) / static_cast<double>(step.group_size);
  const bool is_double = step.kind == spec::ReshardKind::kAllReduce;
  return 1 + share * static_cast<double>(std::max(step.elements_in, step.elements_out)) *
                 (is_double ? 2 : 1);
}

std::vector<spec::ReshardStep> steps_of(const Setting& at,
                                        const spec::TensorSpec& from,
                                        const spec::TensorSpec& to,
                                        const spec::StepCost& cost = ring_cost) {
  const auto path = spec::cheapest_path(from, to, at.shape, at.mesh, cost);
  if (!path) throw Error(ErrorCode::kInternal, "no path");
  return path->steps;
}

// Through the whole tensor on every rank, then everybody cuts off what is asked for.
Outcome through_the_whole(const Setting& at,
                          const spec::TensorSpec& from,
                          const spec::TensorSpec& to) {
  const auto whole = spec::TensorSpec::replicated(static_cast<int>(at.shape.size()));
  spec::ReshardPath path = steps_of(at, from, whole);
  const spec::ReshardPath cut = steps_of(at, whole, to);
  path.insert(path.end(), cut.begin(), cut.end());
  return run_path(at, from, path);
}

std::string name_of(const Setting& at, const spec::TensorSpec& from, const spec::TensorSpec& to) {
  return str(spec::to_string(from, at.shape, at.mesh), " to ",
             spec::to_string(to, at.shape, at.mesh), " on ", at.mesh.to_string());
}

TEST(ReshardRun, AllPairsOnOneAxisEqualTheWholeTensorPath) {
  for (const char* mesh : {"p=2", "p=3", "p=4"}) {
    const Setting at{spec::Mesh::parse(mesh), {5, 4, 3}};
    std::vector<spec::TensorSpec> specs;
    for (const char* text : {"(R, R, R)", "(S0, R, R)", "(R, S0, R)", "(R, R, S0)"}) {
      specs.push_back(spec::parse_tensor_spec(text, at.shape, at.mesh));
    }
    std::mt19937 random(5);
    spec::TensorSpec overlapping = specs[1];
    overlapping.dims[0].pieces = spec::random_pieces(5, at.mesh.size(), true, random);
    spec::TensorSpec uneven = specs[2];
    uneven.dims[1].pieces = spec::random_pieces(4, at.mesh.size(), false, random);
    specs.insert(specs.end(), {overlapping, uneven});
    const auto terms = spec::parse_tensor_spec("(R, R, R) +sum(p)", at.shape, at.mesh);
    for (const spec::TensorSpec& to : specs) {
      for (const spec::TensorSpec& from : specs) {
        EXPECT_EQ(run_path(at, from, steps_of(at, from, to)).pieces,
                  through_the_whole(at, from, to).pieces)
            << name_of(at, from, to);
      }
      const Outcome reduced = run_path(at, terms, steps_of(at, terms, to));
      for (int64_t cell = 0; cell < at.mesh.size(); ++cell) {
        EXPECT_EQ(reduced.pieces[static_cast<size_t>(cell)], at.piece(to, cell))
            << name_of(at, terms, to);
      }
    }
  }
}

TEST(ReshardRun, RandomPairsOnTwoAndThreeAxes) {
  std::mt19937 random(17);
  const std::vector<Setting> settings = {{spec::Mesh::parse("a=2,b=2"), {5, 4}},
                                         {spec::Mesh::parse("a=2,b=3"), {6, 7}},
                                         {spec::Mesh({{"a", 2}, {"b", 2}}, {2, 0, 3, 1}), {4, 4}},
                                         {spec::Mesh::parse("a=2,b=2,c=2"), {8, 4}}};
  std::map<spec::ReshardKind, int> kinds;
  for (int round = 0; round < 120; ++round) {
    const Setting& at = settings[random() % settings.size()];
    const auto from = spec::random_spec(at.shape, at.mesh, random, {.several_kinds = false});
    const auto to = spec::random_spec(at.shape, at.mesh, random, {.partials = false});
    const double alpha = static_cast<double>(random() % 20);
    const auto steps = steps_of(at, from, to, [alpha](const spec::StepShape& step) {
      return spec::is_local(step.kind) ? 0 : alpha + ring_cost(step);
    });
    for (const spec::ReshardStep& step : steps) ++kinds[step.kind];
    const Outcome outcome = run_path(at, from, steps);
    for (int64_t cell = 0; cell < at.mesh.size(); ++cell) {
      ASSERT_EQ(outcome.pieces[static_cast<size_t>(cell)], at.piece(to, cell))
          << name_of(at, from, to) << " cell " << cell;
    }
  }
  for (const auto& [kind, count] : kinds)
    std::cout << spec::to_string(kind) << " " << count << "\n";
  EXPECT_EQ(kinds.size(), 6U);  // all but terms, which the next test makes
}

// Terms are made and summed up again.
TEST(ReshardRun, TermsSumToTheTensor) {
  const Setting at{spec::Mesh::parse("a=2,b=2"), {4, 6}};
  const auto from = spec::parse_tensor_spec("(R, S0)", at.shape, at.mesh);
  const auto terms = spec::parse_tensor_spec("(R, S0) +sum(b)", at.shape, at.mesh);
  const auto to = spec::parse_tensor_spec("(S1, S0)", at.shape, at.mesh);
  spec::ReshardPath path = steps_of(at, from, terms);
  ASSERT_EQ(path.size(), 1U);
  EXPECT_EQ(path[0].kind, spec::ReshardKind::kTerm);
  const spec::ReshardPath back = steps_of(at, terms, to);
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(back[0].kind, spec::ReshardKind::kReduceScatter);
  path.push_back(back[0]);
  const Outcome outcome = run_path(at, from, path);
  for (int64_t cell = 0; cell < 4; ++cell) {
    EXPECT_EQ(outcome.pieces[static_cast<size_t>(cell)], at.piece(to, cell));
  }
}

// Gather and slice is what is left without an all_to_all: the same pieces for more bytes.
TEST(ReshardRun, AllToAllEqualsGatherAndSliceForFewerBytes) {
  const Setting at{spec::Mesh::parse("p=4"), {8, 8}};
  const auto from = spec::parse_tensor_spec("(S0, R)", at.shape, at.mesh);
  const auto to = spec::parse_tensor_spec("(R, S0)", at.shape, at.mesh);
  const auto direct = steps_of(at, from, to);
  ASSERT_EQ(direct.size(), 1U);
  ASSERT_EQ(direct[0].kind, spec::ReshardKind::kAllToAll);
  const auto fallback = steps_of(at, from, to, [](const spec::StepShape& step) {
    return step.kind == spec::ReshardKind::kAllToAll ? 1e9 : ring_cost(step);
  });
  ASSERT_EQ(fallback.size(), 2U);
  const Outcome fast = run_path(at, from, direct);
  const Outcome slow = run_path(at, from, fallback);
  EXPECT_EQ(fast.pieces, slow.pieces);
  EXPECT_EQ(fast.wire_bytes, 4 * 12 * 4);  // 4 ranks send 3/4 of 16 elements of 4 bytes
  EXPECT_EQ(slow.wire_bytes, 4 * 48 * 4);  // a ring hands on 3/4 of 64
}

}  // namespace
}  // namespace partita::conformance
