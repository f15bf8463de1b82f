# SPDX-License-Identifier: Apache-2.0
"""Texts for the tokenizer goldens: what the tokenizers are trained on and what they must encode."""

TRAINING = [
    "The little boat went over the river, and the river carried it down to the sea.",
    "It's what we'd call a long story; they've told it, I'm sure, and you'll hear it again.",
    "She said that she doesn't know, can't know, and won't ever know why the bell isn't ringing.",
    "In 1984 there were 12345 boats, 678 bells and 90 rivers; in 2001 there were 2048 and 4096.",
    "def area(width, height):\n    return width * height\n\nfor row in rows:\n\tprint(row)\n",
    "Hello world! Hello again, world? Yes: hello, hello, hello...",
    "Caf\u00e9 na\u00efve r\u00e9sum\u00e9 "
    "\u00fcber stra\u00dfe se\u00f1or \u00e9t\u00e9 d\u00e9j\u00e0 vu",
    "\u6771\u4eac\u306f\u5927\u304d\u3044\u3067\u3059\u3002"
    "\u4f60\u597d\u4e16\u754c\uff0c\u6211\u4eec"
    "\u53bb\u6cb3\u8fb9\u3002\uc548\ub155\ud558\uc138\uc694",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! "
    "\u0420\u0435\u043a\u0430 \u0442\u0435\u0447\u0435\u0442 \u043a \u043c\u043e\u0440\u044e.",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
    "the quick brown fox jumps over the lazy dog and the lazy dog sleeps under the quick brown fox",
    "  two spaces    four spaces        eight spaces\n\n\nthree lines\r\nwindows line\r\n",
    "The internationalisation of the transformation needs a tokenisation of the information.",
    "x = (a + b) * (c - d) / 3.14159; // comment\n/* another */ if (x >= 10 && y <= 20) { z++; }",
    "WE'RE SHOUTING, AREN'T WE? YES WE'LL SHOUT, IT'S WHAT THEY'D DO.",
]

PLAIN = [
    "",
    " ",
    "a",
    "Hello world",
    "Hello, world! How are you today?",
    " leading space",
    "trailing space ",
    "The little boat went over the river.",
    "It's I'm you're they've we'll he'd don't can't O'Neill 'tis 's",
    "IT'S I'M YOU'RE THEY'VE WE'LL HE'D DON'T",
    "1 12 123 1234 12345 3.14159 1,000,000 2e10 0x1F",
    "abc123def 4you B2B",
    "two  spaces   three    four     five",
    "   three leading and trailing   ",
    "line one\nline two\n\nline four\n",
    "\n",
    "\n\n\n  \n \n",
    "windows\r\nlines\r\n\r\nend\r",
    "tab\tseparated\t\tvalues\t",
    " \t \n mixed \n\t white \t",
    "def f(x):\n    if x > 0:\n        return x\n    return -x\n",
    "punctuation... ?!?! (brackets) [square] {curly} <angle> #hash @at $5 50% a&b a_b",
    "https://example.org/path?query=value&other=1#part",
    "Caf\u00e9 r\u00e9sum\u00e9 na\u00efve",
    "Cafe\u0301 re\u0301sume\u0301 nai\u0308ve",
    "stra\u00dfe \u00dcber \u0130stanbul \ufb01ne \u212b \u1e9b\u0323",
    "\u4f60\u597d\uff0c\u4e16\u754c\uff01\u6771\u4eac\u306f\u5927\u304d\u3044\u3002",
    "\uc548\ub155\ud558\uc138\uc694 \u1112\u1161\u11ab\u1100\u1173\u11af",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u0661\u0662\u0663",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01",
    "emoji \U0001f600 \U0001f680\U0001f680 \u2764\ufe0f",
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 flag \U0001f1e9\U0001f1ea"
    " wave \U0001f44b\U0001f3fd",
    "no\u00a0break\u00a0\u00a0space",
    "next\u0085line\u2028separator\u2029paragraph\u200bzero\u3000wide",
    "\u00b2\u00b3\u00bd\u2167 \u2460 numbers",
    "\ufeffbyte order mark",
    "control \u0001 \u001b[0m \u007f chars",
    "math \U0001d54f \U00020000 \U0010fffd",
    "_underscore_ \u2581lower\u2581block\u2581",
    "a" * 200,
    " " * 130 + "x",
    "ab" * 150 + "\n" * 40,
    "The internationalisation of the transformation " * 6,
    "\u4f60\u597d" * 60,
]


def with_added(tokens):
    """Texts that hold each added token alone, inside words, between blanks, doubled and cut."""
    texts = []
    for token in tokens:
        texts += [token, f"a{token}b", f"one {token} two", f"  {token}  ", f"{token}{token}",
                  f"x\n{token}\ny", token[:-1], f"end{token}"]
    joined = "".join(tokens)
    return texts + [joined, " ".join(tokens), f"Hello {joined} world", f"Hello,{tokens[0]}!"]
