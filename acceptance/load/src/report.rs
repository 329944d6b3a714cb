//! What a run measured.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Requests per second, latencies and statuses.
pub(crate) struct Report {
    latencies: Vec<Duration>,
    statuses: BTreeMap<u16, u64>,
    elapsed: Duration,
    /// The seconds of CPU that the server used meanwhile.
    pub(crate) cpu_s: Option<f64>,
    /// Those of this program, which takes them from the server if they share the machine.
    pub(crate) own_cpu_s: f64,
    /// How many requests it should answer with one.
    pub(crate) at_least: Option<f64>,
}

impl Report {
    pub(crate) fn new(
        mut latencies: Vec<Duration>,
        statuses: BTreeMap<u16, u64>,
        elapsed: Duration,
    ) -> Self {
        latencies.sort_unstable();
        Self { latencies, statuses, elapsed, cpu_s: None, own_cpu_s: 0.0, at_least: None }
    }

    /// Whether every request was answered with 200.
    pub(crate) fn is_all_well(&self) -> bool {
        self.statuses.keys().all(|status| *status == 200)
    }

    fn percentile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = self.latencies.len();
        let rate = requests as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON);
        write!(f, "{rate:.0} requests/s ({requests} in {:.1} s)", self.elapsed.as_secs_f64())?;
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            write!(f, ", {name} {:.2} ms", self.percentile(share).as_secs_f64() * 1000.0)?;
        }
        for (status, count) in &self.statuses {
            write!(f, ", {status}: {count}")?;
        }
        let Some(cpu_s) = self.cpu_s else { return Ok(()) };
        let per_cpu_s = requests as f64 / cpu_s.max(f64::EPSILON);
        write!(f, "; {per_cpu_s:.0} per second of CPU, of which it used {cpu_s:.1}")?;
        write!(f, " and this program {:.1}", self.own_cpu_s)?;
        match self.at_least {
            Some(bar) if per_cpu_s >= bar => write!(f, " (bar {bar}: yes)"),
            Some(bar) => write!(f, " (bar {bar}: NO)"),
            None => Ok(()),
        }
    }
}
