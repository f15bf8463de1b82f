# SPDX-License-Identifier: Apache-2.0
"""Small tokenizer.json files of all supported kinds and what tokenizers makes of them."""
import json
import shutil

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers import processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

import golden_texts

LLAMA3_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
                r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")
UNDERLINE = "\u2581"  # stands for a blank in tokenizers of the sentencepiece kind
BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]


def split_then_bytes(pattern):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def train_byte_level(pre_tokenizer, vocab_size, normalizer=None):
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(vocab_size=vocab_size, show_progress=False,
                         initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(golden_texts.TRAINING * 2, trainer)
    return tokenizer


def bos_template(bos, bos_id):
    return processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, bos_id)])


def byte_level_gpt2():
    tokenizer = train_byte_level(
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True), 500)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer, ["<|endoftext|>"]


def byte_level_prefix_space():
    tokenizer = train_byte_level(
        pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True), 380)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    return tokenizer, ["<mask>"]


def llama3_split():
    tokenizer = train_byte_level(split_then_bytes(LLAMA3_SPLIT), 560)
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"])
    bos = "<|begin_of_text|>"
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        bos_template(bos, tokenizer.token_to_id(bos))])
    return tokenizer, [bos, "<|eot_id|>"]


def qwen2_like():
    tokenizer = train_byte_level(split_then_bytes(QWEN2_SPLIT), 520, normalizers.NFC())
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False),
                          AddedToken("Caf\u00e9s", normalized=True)])
    return tokenizer, ["<|im_start|>", "<|im_end|>", "<tool_call>", "Caf\u00e9s", "Cafe\u0301s"]


def added_variants():
    """Every flag of an added token once, special and not."""
    tokenizer = train_byte_level(split_then_bytes(LLAMA3_SPLIT), 400)
    tokenizer.add_special_tokens([
        AddedToken("<left>", lstrip=True), AddedToken("<right>", rstrip=True),
        AddedToken("<both>", lstrip=True, rstrip=True), AddedToken("<s>"), AddedToken("<s>end")])
    tokenizer.add_tokens([
        AddedToken("nova", single_word=True, normalized=False),
        AddedToken("[keep]", normalized=True), AddedToken("[l]", lstrip=True, normalized=False),
        AddedToken("    ", normalized=False)])
    return tokenizer, ["<left>", "<right>", "<both>", "<s>", "<s>end", "nova", "[keep]", "[l]"]


def train_pieces(vocab_size):
    """Characters and merges as sentencepiece finds them: a blank belongs to the word after it."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(UNDERLINE, "always", True)
    tokenizer.train_from_iterator(
        golden_texts.TRAINING[:7] + golden_texts.TRAINING[10:],
        BpeTrainer(vocab_size=vocab_size, show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    pieces = [piece for piece, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    return pieces, [tuple(merge) for merge in model["merges"]]


def byte_fallback_model(vocab_size):
    pieces, merges = train_pieces(vocab_size)
    vocab = {token: i for i, token in
             enumerate(["<unk>", "<s>", "</s>", *BYTE_TOKENS, *pieces])}
    tokenizer = Tokenizer(BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True,
                              byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace(UNDERLINE, " "), decoders.ByteFallback(), decoders.Fuse(),
        decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False)
                                  for token in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = bos_template("<s>", 1)
    return tokenizer


def llama2_byte_fallback():
    tokenizer = byte_fallback_model(300)
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Prepend(UNDERLINE), normalizers.Replace(" ", UNDERLINE)])
    return tokenizer, ["<s>", "</s>", "<unk>"]


def metaspace_new():
    tokenizer = byte_fallback_model(300)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(UNDERLINE, "first", False)
    tokenizer.add_special_tokens([AddedToken("<|user|>", rstrip=True, normalized=False)])
    return tokenizer, ["<s>", "</s>", "<|user|>"]


def metaspace_split():
    """Split at blanks, no byte fallback: unknown characters become one fused <unk>."""
    pieces, merges = train_pieces(340)
    vocab = {token: i for i, token in enumerate(["<unk>", "<s>", "</s>", *pieces])}
    tokenizer = Tokenizer(BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(UNDERLINE, "always", True)
    tokenizer.decoder = decoders.Metaspace(UNDERLINE, "always", True)
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer, ["<s>", "</s>"]


# name -> (maker, merges written as "a b" strings (old files) or as pairs, ignore_merges)
CASES = {
    "byte_level_gpt2": (byte_level_gpt2, True, False),
    "byte_level_prefix_space": (byte_level_prefix_space, False, False),
    "llama3_split": (llama3_split, True, True),
    "qwen2_like": (qwen2_like, False, False),
    "added_variants": (added_variants, False, False),
    "llama2_byte_fallback": (llama2_byte_fallback, True, False),
    "metaspace_new": (metaspace_new, False, False),
    "metaspace_split": (metaspace_split, True, False),
}


def with_file_form(tokenizer, merges_as_strings, ignore_merges):
    """The tokenizer.json text in the asked form; whole words enter the vocabulary unmerged."""
    content = json.loads(tokenizer.to_str())
    model = content["model"]
    model["ignore_merges"] = ignore_merges
    if ignore_merges:
        add_unmerged_words(content)
    if merges_as_strings:
        model["merges"] = [" ".join(pair) for pair in model["merges"]]
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def add_unmerged_words(content):
    """Words that no merge reaches: only ignore_merges finds them. Added tokens move up behind."""
    vocab = content["model"]["vocab"]
    words = ["\u0120lighthouse", "zebra", "\u0120\u00c3\u00bcbung", "!!!!!"]
    assert not set(words) & set(vocab)
    moved = {}
    for word in words:
        vocab[word] = len(vocab)
    for token in content["added_tokens"]:
        moved[token["content"]] = token["id"] = token["id"] + len(words)
    for part in content["post_processor"]["processors"]:
        for token, entry in part.get("special_tokens", {}).items():
            entry["ids"] = [moved[token]]


def case_of(tokenizer, text):
    ids = tokenizer.encode(text).ids
    return {"text": text, "ids": ids,
            "ids_no_special": tokenizer.encode(text, add_special_tokens=False).ids,
            "decoded": tokenizer.decode(ids, skip_special_tokens=False),
            "decoded_skip": tokenizer.decode(ids, skip_special_tokens=True)}


def prefixes(tokenizer):
    """Decodings of every prefix of texts whose characters span tokens: half characters included."""
    texts = ["na\u00efve \u4f60\u597d", "\U0001f468\u200d\U0001f469 ok \U0001d54f",
             " \u0645\u0631 end"]
    rows = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        for count in range(len(ids) + 1):
            rows.append({"ids": ids[:count],
                         "decoded": tokenizer.decode(ids[:count], skip_special_tokens=False)})
        rows.append({"ids": ids[1:],
                     "decoded": tokenizer.decode(ids[1:], skip_special_tokens=False)})
    return rows


def write_rows(path, rows):
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="ascii")


def make_case(root, name, versions):
    maker, merges_as_strings, ignore_merges = CASES[name]
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer, added = maker()
    path = folder / "tokenizer.json"
    path.write_text(with_file_form(tokenizer, merges_as_strings, ignore_merges), encoding="utf-8")
    tokenizer = Tokenizer.from_file(str(path))
    texts = golden_texts.PLAIN + golden_texts.with_added(added)
    if ignore_merges:
        texts += [" lighthouse", "a lighthouse zebra zebras", " \u00fcbung !!!!! !!!!!!"]
    write_rows(folder / "cases.json", [case_of(tokenizer, text) for text in texts])
    write_rows(folder / "decode.json", prefixes(tokenizer))
    (folder / "versions.json").write_text(json.dumps(versions) + "\n", encoding="ascii")
    print(f"{name}: {tokenizer.get_vocab_size()} tokens, {len(texts)} texts", flush=True)


def make_all(root, versions, only=None):
    for name in CASES:
        if only is None or name in only:
            make_case(root, name, versions)
