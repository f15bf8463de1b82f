// SPDX-License-Identifier: Apache-2.0
// Text forms of graphs, types and weight sources: what is printed reads back, and what is wrong is
// named.
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "ir/graph.h"
#include "ir/scanner.h"
#include "ir/type_text.h"
#include "support/error.h"

namespace partita::ir {
namespace {

constexpr std::string_view kExample = R"(graph "llama" {
  input %token_ids : i32[t]
  weight %layers.0.attn.q_proj : f32[96,144] = tensor("model.layers.0.self_attn.q_proj.weight")
  weight %embed : bf16[100,144] = slice(concat(0, tensor("a"), tensor("b\"\\\x00")), 0, 3, 103)
  state %layers.0.k_cache : f32[c,16,2,24]
  %x : f32[t,144] = embedding(%token_ids, %embed)
  %b : f32[t,2], %b.1 : f32[t,3]
  return %x
}
)";

std::string message_of(std::string_view text) {
  try {
    (void)parse_graph(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidFile);
    return error.what();
  }
  return "no error";
}

std::string in_graph(std::string_view body) { return str("graph \"g\" {\n", body, "\n}\n"); }

TEST(GraphText, PrintedGraphReadsBackToTheSameTextAndHash) {
  const std::string text =
      "graph \"llama\" {\n"
      "  input %token_ids : i32[t]\n"
      "  weight %layers.0.q : f32[96,144] = transpose(slice(tensor(\"h.0.c_attn\"), 1, 0, 96), "
      "[1,0])\n"
      "  state %layers.0.k_cache : f32[c,16,2,24]\n"
      "  %a, %a.1 : f32[t,2], f32[] = some_op(%token_ids, %layers.0.q) {layer = 0, axis = 1, "
      "list = [1,2], name_attr = \"x\", scale = 0.125}\n"
      "  %sent : () = send(%a) {to = 1}\n"
      "  %b : f32[t,2] = other(%a, %layers.0.k_cache)\n"
      "  return %b, %a.1\n"
      "}\n";
  const Graph graph = parse_graph(text);
  EXPECT_EQ(print_graph(graph), text);
  EXPECT_EQ(graph.nodes().size(), 3U);
  EXPECT_EQ(graph.nodes()[0].layer, 0);
  EXPECT_EQ(graph.nodes()[2].layer, -1);
  EXPECT_EQ(graph.consumers()[static_cast<size_t>(*graph.find_value("a"))],
            (std::vector<NodeId>{1, 2}));
  EXPECT_EQ(hash_of(graph), hash_of(parse_graph(print_graph(graph))));
  EXPECT_EQ(hash_of(graph).size(), 16U);
  EXPECT_NE(hash_of(graph), hash_of(Graph("llama")));
}

TEST(GraphText, ErrorsNameLineAndRule) {
  EXPECT_NE(message_of(kExample).find("line 7"), std::string::npos) << message_of(kExample);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"input %x : f32[t]\ninput %x : f32[t]\nreturn", "a new name"},
      {"%y : f32[t] = op(%x)\nreturn", "a value defined earlier; %x"},
      {"input %x : f33[t]\nreturn", "known element type"},
      {"input %x : f32[-1]\nreturn", "size of 0 or more"},
      {"input %x : f32[99999999999999999999]\nreturn", "64-bit integer"},
      {"input %x : f32[9999999999999999]\nreturn", "at most 2^48"},
      {"weight %x : f32[t] = tensor(\"a\")\nreturn", "without symbols"},
      {"weight %x : f32[1] = slice(tensor(\"a\"), 0, 3, 2)\nreturn", "0 <= begin <= end"},
      {"weight %x : f32[1] = transpose(tensor(\"a\"), [0,0])\nreturn", "permutation"},
      {"weight %x : f32[1] = gather(tensor(\"a\"))\nreturn", "not gather"},
      {"%x, %z : f32[1], f32[1] = op()\nreturn", "further outputs to be called %x.1"},
      {"%x, %x.1 : f32[1] = op()\nreturn", "2 types"},
      {"%x : f32[1] = op() {a = 1, a = 2}\nreturn", "each attribute once"},
      {"%x : f32[1] = op() {a = 1x}\nreturn", "not 1x"},
      {"%x : f32[1] = op() {layer = 0.5}\nreturn", "a layer"},
      {"%x : f32[1] = op()", "input, weight, state, return"},
      {"return %x", "defined earlier"},
      {"return\n}\nmore", "the end of the text"},
  };
  for (const auto& [body, rule] : cases) {
    EXPECT_NE(message_of(in_graph(body)).find(rule), std::string::npos)
        << body << "\n"
        << message_of(in_graph(body));
  }
}

TEST(GraphText, DeepSourceExpressionsAreRefusedBeforeTheStackEnds) {
  std::string source;
  for (int i = 0; i < 100000; ++i) source += "reshape(";
  EXPECT_NE(message_of(in_graph("weight %x : f32[1] = " + source)).find("at most 64"),
            std::string::npos);
}

TEST(TypeText, SymbolsAndScalarsReadBack) {
  for (const std::string text : {"f32[t,512]", "i32[]", "bf16[0]", "bool[s,m]"}) {
    EXPECT_EQ(to_string(parse_type(text)), text);
  }
  EXPECT_EQ(parse_type("f32[t,512]"), (TensorType{DType::kF32, {Dim("t"), Dim(512)}}));
  EXPECT_THROW((void)parse_type("F32[1]"), Error);
  EXPECT_THROW((void)parse_type("f32[1]x"), Error);
  const SymbolSizes symbols = {{"t", 3}};
  EXPECT_EQ(parse_type("bf16[t,512]").bytes(symbols), 3 * 512 * 2);
}

TEST(TypeText, BlockTypesNeedWholeBlocks) {
  EXPECT_EQ(parse_type("q8_0[3,64]").bytes(), 3 * 2 * 34);
  EXPECT_EQ(parse_type("q4_0[2,3,32]").bytes(), 2 * 3 * 18);
  EXPECT_EQ(to_string(TensorType{DType::kQ4_0, {2, 32}}), "q4_0[2,32]");
  for (const char* text : {"q8_0[3,33]", "q8_0[]", "q4_0[32,t]"}) {
    EXPECT_THROW((void)parse_type(text), Error) << text;
  }
  EXPECT_THROW((void)(TensorType{DType::kQ8_0, {2, 16}}.bytes()), Error);
}

TEST(AttributeText, FloatsKeepTheirBits) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    const uint64_t bits = random();
    const auto value = std::bit_cast<double>(bits);
    if (value != value) continue;
    const std::string text = to_string(Attribute(value));
    Scanner scanner(text, "test");
    EXPECT_EQ(std::get<double>(scan_attribute(scanner)), value) << text;
  }
  EXPECT_EQ(to_string(Attribute(1.0)), "1.0");
  EXPECT_EQ(to_string(Attribute(-0.0)), "-0.0");
  EXPECT_EQ(to_string(Attribute(1e-5)), "1e-05");
  EXPECT_EQ(to_string(Attribute(-std::numeric_limits<double>::infinity())), "-inf");
}

TEST(Attributes, WrongTypeAndMissingAreNamed) {
  Attributes attributes;
  attributes.set("axis", int64_t{1});
  attributes.set("name", std::string("x"));
  EXPECT_EQ(attributes.number("axis"), 1.0);
  EXPECT_EQ(attributes.integer_or("other", 5), 5);
  try {
    (void)attributes.integer("name");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[attributes] name is \"x\"; expected an integer");
  }
  EXPECT_THROW((void)attributes.text("missing"), Error);
}

}  // namespace
}  // namespace partita::ir
