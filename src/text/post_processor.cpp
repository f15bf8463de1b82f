// SPDX-License-Identifier: Apache-2.0
// The known post-processor types, one reader each.
#include "text/post_processor.h"

#include <array>
#include <string>

#include "support/error.h"
#include "text/component.h"

namespace partita::text {
namespace {

using Templates = std::vector<PostProcessor::Template>;

struct Context {
  int32_t id_limit;
  std::string_view what;
};

using Maker = void (*)(const Json&, const Context&, Templates&);

std::vector<int32_t> special_ids(const Json& table,
                                 const std::string& name,
                                 const Context& context) {
  const Json& entry = json_member(table, name, context.what);
  std::vector<int32_t> ids;
  for (const Json& id : json_array(entry, "ids", context.what)) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= context.id_limit) {
      throw Error(ErrorCode::kInvalidFile,
                  str("[tokenizer] ", context.what, ": the special token '", name,
                      "' of the template has the id ", id.dump(), "; expected 0 .. ",
                      context.id_limit - 1));
    }
    ids.push_back(static_cast<int32_t>(id.get<int64_t>()));
  }
  return ids;
}

PostProcessor::Item read_item(const Json& json, const Json& table, const Context& context) {
  const Json& special = json_member(json, "SpecialToken", context.what);
  if (!special.is_null()) {
    return {false, special_ids(table, json_get<std::string>(special, "id", context.what), context)};
  }
  const auto name =
      json_get<std::string>(json_member(json, "Sequence", context.what), "id", context.what);
  if (name != "A") {
    throw Error(ErrorCode::kInvalidFile, str("[tokenizer] ", context.what,
                                             ": the template of a single text names "
                                             "the text '",
                                             name, "'; expected 'A'"));
  }
  return {true, {}};
}

void add_template(const Json& json, const Context& context, Templates& templates) {
  const Json& table = json_member(json, "special_tokens", context.what);
  PostProcessor::Template items;
  for (const Json& item : json_array(json, "single", context.what)) {
    items.push_back(read_item(item, table, context));
  }
  templates.push_back(std::move(items));
}

void add_byte_level(const Json&, const Context&, Templates&) {}

void add_sequence(const Json& json, const Context& context, Templates& templates);

constexpr std::array<NamedMaker<Maker>, 3> kMakers = {{{"TemplateProcessing", add_template},
                                                       {"ByteLevel", add_byte_level},
                                                       {"Sequence", add_sequence}}};

void add_component(const Json& json, const Context& context, Templates& templates) {
  if (json.is_null()) return;
  const auto type = json_get<std::string>(json, "type", context.what);
  find_maker(kMakers, context.what, "post_processor", type)(json, context, templates);
}

void add_sequence(const Json& json, const Context& context, Templates& templates) {
  for (const Json& item : json_array(json, "processors", context.what))
    add_component(item, context, templates);
}

}  // namespace

PostProcessor PostProcessor::from_json(const Json& json, int32_t id_limit, std::string_view what) {
  PostProcessor processor;
  add_component(json, {id_limit, what}, processor.templates_);
  return processor;
}

std::vector<int32_t> PostProcessor::apply(std::vector<int32_t> ids, bool add_special_tokens) const {
  for (const Template& items : templates_) {
    std::vector<int32_t> next;
    for (const Item& item : items) {
      const std::vector<int32_t>& source = item.is_text ? ids : item.special_ids;
      if (item.is_text || add_special_tokens) next.insert(next.end(), source.begin(), source.end());
    }
    ids = std::move(next);
  }
  return ids;
}

}  // namespace partita::text
