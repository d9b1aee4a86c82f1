// SharedText: a text that does not change; its copies are the same bytes.
//
// Where in the walk: below everything. What a flow matches and does stands in what is desired and in what the switch has
//   reported, tens of thousands of times: as one text each.
// Threading: values; copies may be used and dropped in different threads.
// Failure: none.
// What it does not do: two texts of the same words, made apart, are equal, not shared.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace ml2 {

class SharedText {
 public:
  SharedText() = default;  // empty
  // NOLINTBEGIN(google-explicit-constructor): it is written wherever a text is
  SharedText(std::string_view text) : block_(text.empty() ? nullptr : make(text)) {}
  SharedText(const std::string& text) : SharedText(std::string_view(text)) {}
  SharedText(const char* text) : SharedText(std::string_view(text)) {}
  operator std::string_view() const { return view(); }
  // NOLINTEND(google-explicit-constructor)
  SharedText(const SharedText& other) : block_(other.block_) {
    if (block_ != nullptr) block_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  SharedText(SharedText&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  SharedText& operator=(SharedText other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~SharedText() {
    if (block_ == nullptr || block_->owners.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    block_->~Block();
    ::operator delete(block_);
  }

  [[nodiscard]] std::string_view view() const {
    return block_ == nullptr ? std::string_view()
                             : std::string_view(reinterpret_cast<const char*>(block_ + 1), block_->size);
  }
  [[nodiscard]] bool empty() const { return block_ == nullptr; }
  [[nodiscard]] std::size_t size() const { return block_ == nullptr ? 0 : block_->size; }

  friend bool operator==(const SharedText& one, const SharedText& other) {
    return one.block_ == other.block_ || one.view() == other.view();
  }
  friend std::strong_ordering operator<=>(const SharedText& one, const SharedText& other) {
    return one.block_ == other.block_ ? std::strong_ordering::equal : one.view() <=> other.view();
  }
  template <class Text>
  requires(std::convertible_to<const Text&, std::string_view> && !std::same_as<Text, SharedText>) friend bool
  operator==(const SharedText& one, const Text& other) {
    return one.view() == std::string_view(other);
  }

 private:
  // The bytes follow it.
  struct Block {
    std::atomic<std::uint32_t> owners{1};
    std::uint32_t size = 0;
  };

  static Block* make(std::string_view text) {
    auto* block = new (::operator new(sizeof(Block) + text.size())) Block;
    block->size = static_cast<std::uint32_t>(text.size());
    std::memcpy(static_cast<void*>(block + 1), text.data(), text.size());
    return block;
  }

  Block* block_ = nullptr;
};

}  // namespace ml2

template <>
struct fmt::formatter<ml2::SharedText> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const ml2::SharedText& text, Context& context) const {
    return fmt::formatter<std::string_view>::format(text.view(), context);
  }
};
