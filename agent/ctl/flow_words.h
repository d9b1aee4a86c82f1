// FlowWords: which words a flow has, as ovs-ofctl(8) writes it: "icmp", "nw_src"; without their values.
//
// Where in the walk: complete_flow() and frame_in_hexadecimal() ask it before they add what a person left out.
// Threading: a value. Failure: none: what is no word is one that nobody asks for.
// What it does not do: no values, no meaning.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include "datapath/base/text.h"

namespace ml2::ctl {

class FlowWords {
 public:
  explicit FlowWords(const std::string& flow) {
    for (const std::string& part : text::split(flow, ',')) {
      const std::string_view word = text::trim(part);
      words_.emplace(word.substr(0, word.find('=')));
    }
  }
  // Any of them.
  [[nodiscard]] bool has(std::initializer_list<const char*> names) const {
    return std::any_of(names.begin(), names.end(), [&](const char* name) { return words_.contains(name); });
  }

 private:
  std::set<std::string> words_;
};

}  // namespace ml2::ctl
