#include "agent/control/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <map>
#include <utility>
#include <vector>

namespace ml2::control {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  void gauge(const char* name, const char* help, double value, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    family(name, help, MetricType::Gauge).metric.push_back(std::move(metric));
  }
  void counter(const char* name, const char* help, double value, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = value;
    family(name, help, MetricType::Counter).metric.push_back(std::move(metric));
  }
  template <std::size_t N>
  void histogram(const char* name, const char* help, const Histogram<N>& values) {
    ClientMetric metric;
    metric.histogram.sample_count = values.count();
    metric.histogram.sample_sum = values.sum();
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i <= N; ++i) {
      cumulative += values.counts()[i];
      metric.histogram.bucket.push_back(
          {cumulative, i == N ? std::numeric_limits<double>::infinity() : values.bounds()[i]});
    }
    family(name, help, MetricType::Histogram).metric.push_back(std::move(metric));
  }
  [[nodiscard]] std::string text() const {
    const prometheus::TextSerializer serializer;
    return serializer.prometheus::Serializer::Serialize(families_);
  }

 private:
  // Metrics of one name stand together, under the help of the first.
  MetricFamily& family(const char* name, const char* help, MetricType type) {
    for (MetricFamily& there : families_) {
      if (there.name == name) return there;
    }
    families_.push_back({name, help, type, {}});
    return families_.back();
  }

  std::vector<MetricFamily> families_;
};

void add_process(Families& families) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  families.counter("process_cpu_seconds_total", "CPU time of the agent",
                   seconds(usage.ru_utime) + seconds(usage.ru_stime));
  // proc(5): /proc/self/statm has pages; the second number is the resident set.
  std::ifstream statm("/proc/self/statm");
  double size = 0;
  double resident = 0;
  if (statm >> size >> resident) {
    families.gauge("process_resident_memory_bytes", "Memory of the agent that is resident",
                   resident * static_cast<double>(sysconf(_SC_PAGESIZE)));
  }
}

void add_ports(Families& families, const reconcile::Reconciler& reconciler) {
  std::map<std::string, double> ports{{"active", 0}, {"down", 0}, {"error", 0}};
  for (const auto& [id, report] : reconciler.port_reports()) {
    switch (report.status) {
      case intent::PortStatus::Active: ++ports["active"]; break;
      case intent::PortStatus::Down: ++ports["down"]; break;
      case intent::PortStatus::Error: ++ports["error"]; break;
    }
  }
  for (const auto& [state, count] : ports) {
    families.gauge("ml2_agent_ports", "Ports bound to this host, by state", count, {{"state", state}});
  }
}

void add_bridges(Families& families, const reconcile::Reconciler& reconciler) {
  for (const auto& [bridge, of_switch] : reconciler.switches()) {
    const of::SwitchStatus status = of_switch->status();
    const Labels labels{{"bridge", bridge}};
    const of::FlowSet* flows = of_switch->flows();
    const auto desired = reconciler.desired().flows.find(bridge);
    if (flows != nullptr) {
      families.gauge("ml2_agent_flows", "Flows in the switch, whoever added them", static_cast<double>(flows->size()),
                     labels);
    }
    if (desired != reconciler.desired().flows.end()) {
      families.gauge("ml2_agent_desired_flows", "Flows that the agent wants in the switch",
                     static_cast<double>(desired->second.size()), labels);
    }
    const auto planned = reconciler.plan().bundles.find(bridge);
    families.gauge("ml2_agent_planned_flow_changes", "Changes to flows that are still to be made",
                   planned == reconciler.plan().bundles.end() ? 0 : static_cast<double>(planned->second.mods.size()),
                   labels);
    families.gauge("ml2_agent_bridge_connected", "Whether the agent is connected to the bridge over OpenFlow",
                   status.connected ? 1 : 0, labels);
    families.gauge(
        "ml2_agent_bridge_silent_seconds",
        "For how long ovs-vswitchd has owed the agent an answer about the bridge; 0 when it answers in time",
        static_cast<double>(status.silent.count()) / 1000, labels);
    families.counter("ml2_agent_bridge_connections_total", "Connections made to the bridge over OpenFlow",
                     static_cast<double>(status.connections), labels);
    families.counter("ml2_agent_bundles_total", "Bundles of flow changes that the switch confirmed",
                     static_cast<double>(status.bundles), labels);
    families.counter("ml2_agent_bundle_errors_total", "Bundles that the switch refused or that were lost",
                     static_cast<double>(status.failures), labels);
    families.counter("ml2_agent_flow_mods_total", "Flow changes in confirmed bundles",
                     static_cast<double>(status.flow_mods), labels);
  }
}

void add_fast_path(Families& families, const reconcile::Reconciler& reconciler) {
  const fp::FastPathStatus status = reconciler.fast_path_status();
  families.gauge("ml2_agent_fastpath_connected", "Whether the agent is connected to ml2-fastpath",
                 status.connected ? 1 : 0);
  families.gauge("ml2_agent_fastpath_desired_records", "Records that the agent wants in ml2-fastpath",
                 static_cast<double>(reconciler.desired().fast_path.tables.size()));
  families.gauge("ml2_agent_fastpath_planned_changes", "Records of ml2-fastpath that are still to be changed",
                 static_cast<double>(reconciler.plan().fast_path.size()));
  families.counter("ml2_agent_fastpath_connections_total", "Connections made to ml2-fastpath",
                   static_cast<double>(status.connections));
  families.counter("ml2_agent_fastpath_updates_total", "Updates that ml2-fastpath carried out",
                   static_cast<double>(status.updates));
  families.counter("ml2_agent_fastpath_records_total", "Records in them", static_cast<double>(status.records));
  families.counter("ml2_agent_fastpath_failures_total", "Updates that ml2-fastpath refused or that were lost",
                   static_cast<double>(status.failures));
}

}  // namespace

std::string metrics_text(const reconcile::Reconciler& reconciler, const std::string& version) {
  Families families;
  families.gauge(
      "ml2_agent_info", "The agent, its host and the version of Open vSwitch", 1,
      {{"version", version}, {"host", reconciler.node().host}, {"ovs_version", reconciler.vswitch().ovs_version}});
  families.gauge("ml2_agent_in_sync", "Whether everything has been read once", reconciler.in_sync() ? 1 : 0);
  families.gauge("ml2_agent_converged", "Whether there is nothing left to change", reconciler.converged() ? 1 : 0);
  families.gauge("ml2_agent_problems", "Problems that stand now", static_cast<double>(reconciler.problems().size()));
  add_ports(families, reconciler);
  add_bridges(families, reconciler);
  if (reconciler.node().fast_path.enabled) add_fast_path(families, reconciler);
  const reconcile::Counters& counters = reconciler.counters();
  const ovsdb::DatabaseStatus database = reconciler.database().status();
  const intent::SourceStatus source = reconciler.source().status();
  families.gauge("ml2_agent_planned_row_changes", "Changes to rows of Open_vSwitch that are still to be made",
                 static_cast<double>(reconciler.plan().ovsdb.operations.size()));
  for (const auto& [name, connected] :
       {std::pair{"Open_vSwitch", database.connected}, std::pair{"intent", source.connected}}) {
    families.gauge("ml2_agent_source_connected", "Whether the agent is connected to a database", connected ? 1 : 0,
                   {{"source", name}});
  }
  families.counter("ml2_agent_reconnects_total", "Times that a lost connection to a database came back",
                   static_cast<double>(database.reconnects), {{"source", "Open_vSwitch"}});
  families.counter("ml2_agent_reconnects_total", "", static_cast<double>(source.reconnects), {{"source", "intent"}});
  families.counter(
      "ml2_agent_netlink_full_reads_total",
      "Times that everything was read over netlink: once at the start, and after notifications were lost",
      static_cast<double>(reconciler.kernel().full_reads()));
  families.gauge("ml2_agent_netlink_read", "Whether the last read over netlink went well",
                 reconciler.kernel().status() ? 1 : 0);
  families.counter("ml2_agent_transactions_total", "Transactions sent to Open_vSwitch",
                   static_cast<double>(counters.transactions));
  families.counter("ml2_agent_failures_total", "Transactions and bundles that failed",
                   static_cast<double>(counters.failures));
  families.counter("ml2_agent_repairs_total", "Rows and flows repaired that somebody else had changed",
                   static_cast<double>(reconciler.journal().repairs()));
  families.histogram("ml2_agent_step_seconds", "Time of one pass of compile and diff", reconciler.journal().steps());
  families.histogram("ml2_agent_port_wired_seconds", "From plug to wired", reconciler.journal().wirings());
  add_process(families);
  return families.text();
}

}  // namespace ml2::control
