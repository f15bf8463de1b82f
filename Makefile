# SPDX-License-Identifier: Apache-2.0
# make run: from a fresh clone to generated text. make test: all tests. make check: everything a change must pass.
BUILD := build/release
JOBS := $(shell nproc)
PROMPT := Once upon a time

.PHONY: run build test check setup clean

run: build
	$(BUILD)/bin/partita run models/tiny-tales --ranks 2 --max-tokens 80 --prompt "$(PROMPT)"

build: setup
	cmake --preset release >/dev/null
	cmake --build --preset release -j $(JOBS)

test: build
	ctest --preset release

check:
	tools/setup.sh --dev
	tools/check

setup:
	@tools/setup.sh

clean:
	rm -rf build
