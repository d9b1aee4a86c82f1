#include "agent/ctl/program.h"

#include "agent/ctl/key_values.h"

namespace ml2::ctl {

Option add_key_values(Command& command, const std::string& name, std::vector<std::string>& texts,
                      const std::vector<std::string>& keys, const std::vector<std::string>& required,
                      const std::string& meaning) {
  std::string form;
  for (const std::string& key : keys) form += (form.empty() ? "" : ",") + key + "=VALUE";
  // One text per occurrence: commas are ours.
  return command.add_option(name, texts, meaning)
      .value_name(form)
      .repeatable()
      .check([keys, required](const std::string& text) {
        const auto parsed = parse_key_values(text, keys, required);
        return parsed ? std::string() : parsed.error().message;
      });
}

Result<Reading> read_rows(Session& session) {
  const auto plugin = session.plugin();
  if (!plugin) return forward_error(plugin);
  auto rows = (*plugin)->rows();
  if (!rows) return forward_error(rows);
  return Reading{std::move(*rows), *plugin};
}

}  // namespace ml2::ctl
