#include "ovsdb/row.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <iterator>
#include <type_traits>
#include <utility>
#include <variant>

namespace ml2::ovsdb {
namespace {

// Packed: a number is a varint (7 bits a byte, the lowest first). A value: twice the number of keys, and one if it is a
// map; then its keys, then a map's values. An atom: its index in Atom, then an integer or a real as 8 bytes, a boolean
// as one, a string as its length and its bytes, a UUID as its 16.
using Bytes = std::vector<std::uint8_t>;
constexpr std::size_t kInteger = 0;
constexpr std::size_t kReal = 1;
constexpr std::size_t kBoolean = 2;
constexpr std::size_t kString = 3;
constexpr std::size_t kUuid = 4;
static_assert(std::is_same_v<std::variant_alternative_t<kInteger, Atom>, std::int64_t>);
static_assert(std::is_same_v<std::variant_alternative_t<kReal, Atom>, double>);
static_assert(std::is_same_v<std::variant_alternative_t<kBoolean, Atom>, bool>);
static_assert(std::is_same_v<std::variant_alternative_t<kString, Atom>, std::string>);
static_assert(std::is_same_v<std::variant_alternative_t<kUuid, Atom>, Uuid>);

void put_number(Bytes& out, std::size_t number) {
  for (; number >= 0x80U; number >>= 7U) out.push_back(static_cast<std::uint8_t>(number | 0x80U));
  out.push_back(static_cast<std::uint8_t>(number));
}

std::size_t take_number(const std::uint8_t*& in) {
  std::size_t number = 0;
  for (unsigned shift = 0;; shift += 7) {
    const std::uint8_t byte = *in++;
    number |= static_cast<std::size_t>(byte & 0x7fU) << shift;
    if ((byte & 0x80U) == 0) return number;
  }
}

template <class T>
void put_raw(Bytes& out, const T& value) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}

template <class T>
T take_raw(const std::uint8_t*& in) {
  T value{};
  std::memcpy(&value, in, sizeof value);
  in += sizeof value;
  return value;
}

std::string_view take_text(const std::uint8_t*& in) {
  const std::size_t size = take_number(in);
  const std::string_view text(reinterpret_cast<const char*>(in), size);
  in += size;
  return text;
}
std::string take_string(const std::uint8_t*& in) { return std::string(take_text(in)); }

Uuid take_uuid(const std::uint8_t*& in) { return Uuid(take_raw<std::array<std::uint8_t, 16>>(in)); }

Atom take_atom(const std::uint8_t*& in) {
  switch (*in++) {
    case kInteger: return take_raw<std::int64_t>(in);
    case kReal: return take_raw<double>(in);
    case kBoolean: return *in++ != 0;
    case kString: return take_string(in);
    default: return take_uuid(in);
  }
}

// Where the one atom of a scalar of that type is; nullptr: it is none.
const std::uint8_t* only(const std::uint8_t* packed, std::size_t type) {
  return packed != nullptr && packed[0] == 2 && packed[1] == type ? packed + 2 : nullptr;
}

// A set of UUIDs where it stands: of one value all atoms have one type (RFC 7047 section 3.2), so they are equally long.
class PackedUuids {
 public:
  static constexpr std::size_t kAtom = 1 + 16;

  // nullopt: it is none.
  static std::optional<PackedUuids> of(const std::uint8_t* packed) {
    PackedUuids set;
    if (packed == nullptr) return set;
    const std::size_t header = take_number(packed);
    set.size_ = header / 2;
    set.atoms_ = packed;
    if (header % 2 != 0 || (set.size_ != 0 && *packed != kUuid)) return std::nullopt;
    return set;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const std::uint8_t* at(std::size_t i) const { return atoms_ + i * kAtom; }
  [[nodiscard]] Uuid uuid(std::size_t i) const {
    const std::uint8_t* in = at(i) + 1;
    return take_uuid(in);
  }
  // The first from `from` on that is not less.
  [[nodiscard]] std::size_t lower_bound(std::size_t from, const Uuid& wanted) const {
    std::size_t count = size_ - from;
    while (count > 0) {
      const std::size_t half = count / 2;
      if (uuid(from + half) < wanted) {
        from += half + 1;
        count -= half + 1;
      } else {
        count = half;
      }
    }
    return from;
  }

 private:
  std::size_t size_ = 0;
  const std::uint8_t* atoms_ = nullptr;
};

bool same_atom(const std::uint8_t* one, const std::uint8_t* other) {
  return std::memcmp(one, other, PackedUuids::kAtom) == 0;
}

}  // namespace

std::optional<UuidChanges> changes_between(const Value& before, const Value& now) {
  const auto old = PackedUuids::of(before.packed_);
  const auto set = PackedUuids::of(now.packed_);
  if (!old || !set) return std::nullopt;
  std::size_t first = 0;
  std::size_t old_end = old->size();
  std::size_t end = set->size();
  while (first < std::min(old_end, end) && same_atom(old->at(first), set->at(first))) ++first;
  while (first < std::min(old_end, end) && same_atom(old->at(old_end - 1), set->at(end - 1))) --old_end, --end;
  UuidChanges changes;
  for (std::size_t i = first; i < old_end; ++i) changes.gone.push_back(old->uuid(i));
  for (std::size_t i = first; i < end; ++i) changes.come.push_back(set->uuid(i));
  const auto sorted = [](const std::vector<Uuid>& uuids) {
    return std::adjacent_find(uuids.begin(), uuids.end(), std::greater_equal<>()) == uuids.end();
  };
  if (!sorted(changes.gone) || !sorted(changes.come)) return std::nullopt;
  const std::vector<Uuid> gone = std::exchange(changes.gone, {});
  const std::vector<Uuid> come = std::exchange(changes.come, {});
  std::ranges::set_difference(gone, come, std::back_inserter(changes.gone));
  std::ranges::set_difference(come, gone, std::back_inserter(changes.come));
  return changes;
}

void ValuePacker::start(std::size_t keys, bool is_map) {
  bytes_.clear();
  put_number(bytes_, keys * 2 + (is_map ? 1 : 0));
}
void ValuePacker::add(std::int64_t integer) {
  bytes_.push_back(kInteger);
  put_raw(bytes_, integer);
}
void ValuePacker::add(double real) {
  bytes_.push_back(kReal);
  put_raw(bytes_, real);
}
void ValuePacker::add(bool boolean) {
  bytes_.push_back(kBoolean);
  bytes_.push_back(boolean ? 1 : 0);
}
void ValuePacker::add(std::string_view text) {
  bytes_.push_back(kString);
  put_number(bytes_, text.size());
  bytes_.insert(bytes_.end(), text.begin(), text.end());
}
void ValuePacker::add(const Uuid& uuid) {
  bytes_.push_back(kUuid);
  bytes_.insert(bytes_.end(), uuid.bytes().begin(), uuid.bytes().end());
}
void ValuePacker::add(const Atom& atom) {
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          add(std::string_view(value));
        } else {
          add(value);
        }
      },
      atom);
}

std::size_t Value::size() const {
  const std::uint8_t* in = packed_;
  return in == nullptr ? 0 : take_number(in) / 2;
}

std::optional<std::int64_t> Value::integer() const {
  const std::uint8_t* in = only(packed_, kInteger);
  return in == nullptr ? std::nullopt : std::optional(take_raw<std::int64_t>(in));
}
std::optional<double> Value::real() const {
  const std::uint8_t* in = only(packed_, kReal);
  return in == nullptr ? std::nullopt : std::optional(take_raw<double>(in));
}
std::optional<bool> Value::boolean() const {
  const std::uint8_t* in = only(packed_, kBoolean);
  return in == nullptr ? std::nullopt : std::optional(*in != 0);
}
std::optional<std::string> Value::string() const {
  const std::uint8_t* in = only(packed_, kString);
  return in == nullptr ? std::nullopt : std::optional(take_string(in));
}
std::optional<std::string_view> Value::text() const {
  const std::uint8_t* in = only(packed_, kString);
  return in == nullptr ? std::nullopt : std::optional(take_text(in));
}
std::optional<Uuid> Value::uuid() const {
  const std::uint8_t* in = only(packed_, kUuid);
  return in == nullptr ? std::nullopt : std::optional(take_uuid(in));
}

Datum Value::datum() const {
  Datum datum;
  if (packed_ == nullptr) return datum;
  const std::uint8_t* in = packed_;
  const std::size_t header = take_number(in);
  datum.keys.reserve(header / 2);
  for (std::size_t i = 0; i < header / 2; ++i) datum.keys.push_back(take_atom(in));
  if (header % 2 == 0) return datum;
  datum.values.reserve(header / 2);
  for (std::size_t i = 0; i < header / 2; ++i) datum.values.push_back(take_atom(in));
  return datum;
}

RowColumns::RowColumns(const std::map<std::string, Datum>& columns) {
  std::vector<std::string> names;
  for (const auto& [name, value] : columns) {
    append(names.size(), value);
    names.push_back(name);
  }
  names_ = std::make_shared<const std::vector<std::string>>(std::move(names));
}

RowColumns::Packed RowColumns::find(std::string_view name) const {
  if (!names_) return {};
  // There are a dozen, and few of one length: looking at all is less work than halving.
  const auto place = std::find_if(names_->begin(), names_->end(), [&](const std::string& one) {
    return one.size() == name.size() && std::memcmp(one.data(), name.data(), name.size()) == 0;
  });
  return place == names_->end() ? Packed() : find(static_cast<std::size_t>(place - names_->begin()));
}

RowColumns::Packed RowColumns::find(std::size_t wanted) const {
  const std::uint8_t* in = bytes_.data();
  const std::uint8_t* const end = in + bytes_.size();
  while (in < end) {
    const std::size_t column = take_number(in);
    const std::size_t length = take_number(in);
    if (column == wanted) return {in, length};
    if (column > wanted) return {};
    in += length;
  }
  return {};
}

Value RowColumns::column(std::string_view name) const { return Value(find(name).first); }
bool RowColumns::contains(std::string_view name) const { return find(name).first != nullptr; }
bool RowColumns::has_same(std::string_view name, const RowColumns& other) const {
  const auto [one, length] = find(name);
  const auto [another, other_length] = other.find(name);
  if (one == nullptr || another == nullptr) return one == another;
  return length == other_length && std::memcmp(one, another, length) == 0;
}

void RowColumns::append(std::size_t column, const Datum& value) {
  const bool is_map = !value.values.empty() && value.values.size() == value.keys.size();
  ValuePacker packer;
  packer.start(value.keys.size(), is_map);
  for (const Atom& atom : value.keys) packer.add(atom);
  for (std::size_t i = 0; is_map && i < value.values.size(); ++i) packer.add(value.values[i]);
  append(column, packer);
}

void RowColumns::append(std::size_t column, const ValuePacker& value) {
  put_number(bytes_, column);
  put_number(bytes_, value.bytes_.size());
  bytes_.insert(bytes_.end(), value.bytes_.begin(), value.bytes_.end());
}

void RowColumns::append(std::size_t column, const RowColumns& other) {
  const auto [packed, length] = other.find(column);
  if (packed == nullptr) return;
  put_number(bytes_, column);
  put_number(bytes_, length);
  bytes_.insert(bytes_.end(), packed, packed + length);
}

bool RowColumns::append_toggled(std::size_t column, const RowColumns& other, const std::vector<Uuid>& toggled) {
  const auto [packed, length] = other.find(column);
  const auto old = PackedUuids::of(packed);
  if (!old) return false;
  Bytes atoms;
  atoms.reserve(length + toggled.size() * PackedUuids::kAtom);
  std::size_t done = 0;
  for (const Uuid& uuid : toggled) {
    const std::size_t place = old->lower_bound(done, uuid);
    atoms.insert(atoms.end(), old->at(done), old->at(place));
    done = place;
    if (place < old->size() && old->uuid(place) == uuid) {
      ++done;
    } else {
      atoms.push_back(kUuid);
      atoms.insert(atoms.end(), uuid.bytes().begin(), uuid.bytes().end());
    }
  }
  atoms.insert(atoms.end(), old->at(done), old->at(old->size()));
  if (atoms.empty()) return true;
  Bytes header;
  put_number(header, atoms.size() / PackedUuids::kAtom * 2);
  bytes_.reserve(bytes_.size() + header.size() + atoms.size() + 2 * sizeof length);
  put_number(bytes_, column);
  put_number(bytes_, header.size() + atoms.size());
  bytes_.insert(bytes_.end(), header.begin(), header.end());
  bytes_.insert(bytes_.end(), atoms.begin(), atoms.end());
  return true;
}

void RowColumns::set(std::string_view name, const Datum& value) { replace(name, &value); }
void RowColumns::erase(std::string_view name) { replace(name, nullptr); }

void RowColumns::replace(std::string_view name, const Datum* value) {
  std::vector<std::string> names = names_ ? *names_ : std::vector<std::string>();
  const auto place = std::lower_bound(names.begin(), names.end(), name);
  const auto wanted = static_cast<std::size_t>(place - names.begin());
  const bool is_new = place == names.end() || *place != name;
  if (is_new && value == nullptr) return;
  const Bytes before = std::exchange(bytes_, {});
  bool done = value == nullptr;
  const auto put = [&] {
    if (!std::exchange(done, true)) append(wanted, *value);
  };
  const std::uint8_t* in = before.data();
  const std::uint8_t* const end = in + before.size();
  while (in < end) {
    std::size_t column = take_number(in);
    const std::size_t length = take_number(in);
    if (column >= wanted) put();
    if (is_new && column >= wanted) ++column;
    if (is_new || column != wanted) {
      put_number(bytes_, column);
      put_number(bytes_, length);
      bytes_.insert(bytes_.end(), in, in + length);
    }
    in += length;
  }
  put();
  if (!is_new) return;
  names.emplace(names.begin() + static_cast<std::ptrdiff_t>(wanted), name);
  names_ = std::make_shared<const std::vector<std::string>>(std::move(names));
}

std::map<std::string, Datum> RowColumns::all() const {
  std::map<std::string, Datum> columns;
  const std::uint8_t* in = bytes_.data();
  const std::uint8_t* const end = in + bytes_.size();
  while (in < end) {
    const std::size_t column = take_number(in);
    const std::size_t length = take_number(in);
    columns.emplace((*names_)[column], Value(in).datum());
    in += length;
  }
  return columns;
}

bool operator==(const RowColumns& a, const RowColumns& b) {
  const bool same_names = a.names_ == b.names_ || (a.names_ && b.names_ && *a.names_ == *b.names_);
  return same_names ? a.bytes_ == b.bytes_ : a.all() == b.all();
}

}  // namespace ml2::ovsdb
