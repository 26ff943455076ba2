#pragma once
// What a search server means that does not make an index: the name, the definition, or something of
// its own that passes or that its operator can mend.

#include <cstdint>
#include <string>
#include <string_view>

namespace polyglot::core {

enum class IndexRefusal : std::uint8_t {
  kNameTaken,   // an index or alias has this name: another generation's is tried
  kAliasTaken,  // an index has got the alias' name meanwhile: who has it is to be asked again
  kPassing,     // a limit, a block, something that is missing there: tried again by itself
  kDefinition,  // mapping or settings: whoever wrote them must change them
};

struct RefusedIndex {
  IndexRefusal refusal = IndexRefusal::kPassing;
  std::string reason;  // the server's whole sentence
  std::string hint;    // may be empty
};

/// `body`: of an answer with this status, written by a search server (JSON).
RefusedIndex JudgeRefusedIndex(int status, std::string_view body);

}  // namespace polyglot::core
