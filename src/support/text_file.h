// SPDX-License-Identifier: Apache-2.0
// Writing small files so that readers never see half of one.
#pragma once

#include <filesystem>
#include <string_view>

namespace partita {

// Writes `text` through a temporary file beside `path` and a rename. Throws kSystem naming `path`
// and what the system says; then nothing new stays on disk.
void write_text(const std::filesystem::path& path, std::string_view text);

// Throws what write_text() would throw for a folder that is missing or not writable, and for a path
// that is a folder; for use before long work whose result goes there. Leaves nothing behind.
void check_writable(const std::filesystem::path& path);

}  // namespace partita
