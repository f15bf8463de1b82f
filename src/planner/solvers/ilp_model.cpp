// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/ilp_model.h"

#include <sstream>
#include <string_view>
#include <utility>

namespace partita::planner {
namespace {

using ColumnKind = IlpModel::ColumnKind;
using Relation = IlpModel::Relation;

constexpr int kTermsPerLine = 8;  // readers limit the length of a line

class LpWriter {
 public:
  explicit LpWriter(const IlpModel& model) : model_(model) {}

  std::string write() {
    std::vector<IlpModel::Term> objective;
    for (size_t i = 0; i < model_.columns.size(); ++i) {
      if (model_.columns[i].cost != 0)
        objective.push_back({static_cast<int>(i), model_.columns[i].cost});
    }
    if (objective.empty() && !model_.columns.empty()) objective.push_back({0, 0});
    out_ << "Minimize\n cost:";
    write_terms(objective);
    out_ << "\nSubject To\n";
    for (const IlpModel::Row& row : model_.rows) {
      out_ << ' ' << row.name << ':';
      write_terms(row.terms);
      out_ << (row.relation == Relation::kEqual ? " = " : " <= ") << row.bound << '\n';
    }
    write_bounds();
    out_ << "Binaries\n";
    for (const IlpModel::Column& column : model_.columns) {
      if (column.kind == ColumnKind::kBinary && !column.is_fixed_to_zero)
        out_ << ' ' << column.name << '\n';
    }
    out_ << "End\n";
    return std::move(out_).str();
  }

 private:
  void write_terms(const std::vector<IlpModel::Term>& terms) {
    int written = 0;
    for (const IlpModel::Term& term : terms) {
      if (written > 0 && written % kTermsPerLine == 0) out_ << "\n  ";
      const bool is_negative = term.coefficient < 0;
      out_ << (is_negative ? " - " : " + ") << (is_negative ? -term.coefficient : term.coefficient)
           << ' ' << model_.columns[static_cast<size_t>(term.column)].name;
      ++written;
    }
  }

  // Not given: 0 to infinity; binaries get theirs below.
  void write_bounds() {
    out_ << "Bounds\n";
    for (const IlpModel::Column& column : model_.columns) {
      if (column.is_fixed_to_zero) {
        out_ << ' ' << column.name << " = 0\n";
      } else if (column.kind == ColumnKind::kUnitInterval) {
        out_ << " 0 <= " << column.name << " <= 1\n";
      }
    }
  }

  const IlpModel& model_;
  std::ostringstream out_;
};

class MpsWriter {
 public:
  explicit MpsWriter(const IlpModel& model) : model_(model) {}

  std::string write() {
    out_ << "NAME partita\nROWS\n N cost\n";
    for (const IlpModel::Row& row : model_.rows)
      out_ << (row.relation == Relation::kEqual ? " E " : " L ") << row.name << '\n';
    write_columns();
    out_ << "RHS\n";
    for (const IlpModel::Row& row : model_.rows) {
      if (row.bound != 0) out_ << " bound " << row.name << ' ' << row.bound << '\n';
    }
    write_bounds();
    out_ << "ENDATA\n";
    return std::move(out_).str();
  }

 private:
  void write_columns() {
    std::vector<std::vector<std::pair<size_t, int64_t>>> entries(model_.columns.size());
    for (size_t row = 0; row < model_.rows.size(); ++row) {
      for (const IlpModel::Term& term : model_.rows[row].terms)
        entries[static_cast<size_t>(term.column)].emplace_back(row, term.coefficient);
    }
    out_ << "COLUMNS\n";
    bool in_integers = false;
    for (size_t i = 0; i < model_.columns.size(); ++i) {
      const IlpModel::Column& column = model_.columns[i];
      const bool is_integer = column.kind == ColumnKind::kBinary;
      if (is_integer != in_integers)
        out_ << " marker 'MARKER' " << (is_integer ? "'INTORG'" : "'INTEND'") << '\n';
      in_integers = is_integer;
      out_ << ' ' << column.name << " cost " << column.cost << '\n';
      for (const auto& [row, coefficient] : entries[i])
        out_ << ' ' << column.name << ' ' << model_.rows[row].name << ' ' << coefficient << '\n';
    }
    if (in_integers) out_ << " marker 'MARKER' 'INTEND'\n";
  }

  void write_bounds() {
    out_ << "BOUNDS\n";
    for (const IlpModel::Column& column : model_.columns) {
      if (column.is_fixed_to_zero) {
        out_ << " FX b " << column.name << " 0\n";
      } else if (column.kind != ColumnKind::kNonNegative) {
        out_ << " UP b " << column.name << " 1\n";
      }
    }
  }

  const IlpModel& model_;
  std::ostringstream out_;
};

}  // namespace

std::string to_lp_text(const IlpModel& model) { return LpWriter(model).write(); }

std::string to_mps_text(const IlpModel& model) { return MpsWriter(model).write(); }

}  // namespace partita::planner
