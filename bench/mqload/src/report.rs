//! The figures of a run: a table for people, a line of JSON for programs.

use hdrhistogram::Histogram;
use serde_json::Value;

use crate::options::Options;

/// Latencies in nanoseconds, from a microsecond to two minutes.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 120_000_000_000, 3).expect("the bounds are valid")
}

/// Named figures, in the order in which they were set.
pub(crate) struct Report(Vec<(String, Value)>);

impl Report {
    /// Begins with what was asked for.
    pub(crate) fn new(scenario: &str, options: &Options) -> Self {
        let mut report = Self(Vec::new());
        report.set("scenario", scenario);
        report.set("qos", options.qos);
        report.set("payload", options.payload_size);
        report.set("tls", options.tls.tls);
        report
    }

    /// Adds a figure, or changes it where it stands.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, figure)) => *figure = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Adds a figure with three digits after the point.
    pub(crate) fn float(&mut self, key: &str, value: f64) {
        self.set(key, (value * 1e3).round() / 1e3);
    }

    /// Adds the percentiles of a histogram of nanoseconds, as microseconds.
    pub(crate) fn latency(&mut self, name: &str, latencies: &Histogram<u64>) {
        if latencies.is_empty() {
            return;
        }
        for (label, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
            let nanos = latencies.value_at_quantile(quantile);
            self.float(&format!("{name}_{label}_us"), nanos as f64 / 1e3);
        }
        self.float(&format!("{name}_max_us"), latencies.max() as f64 / 1e3);
    }

    /// Prints the table; with `json` it goes to standard error, and JSON to standard output.
    #[allow(clippy::print_stdout, clippy::print_stderr, reason = "the figures are the output")]
    pub(crate) fn print(&self, json: bool) {
        if json {
            eprint!("{}", self.table());
            println!("{}", Value::Object(self.0.iter().cloned().collect()));
        } else {
            print!("{}", self.table());
        }
    }

    fn table(&self) -> String {
        let width = self.0.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        let line = |(key, value): &(String, Value)| format!("{key:width$}  {:>16}\n", text(value));
        self.0.iter().map(line).collect()
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.3}", number.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_figure_in_order() {
        let mut report = Report(Vec::new());
        report.set("scenario", "pairs");
        report.set("lost", 0);
        report.float("seconds", 2.000_49);
        report.set("lost", 3);
        let lines = "scenario             pairs\nlost                     3\n\
                     seconds              2.000\n";
        assert_eq!(report.table(), lines);
    }

    #[test]
    fn latencies_are_told_in_microseconds() {
        let mut latencies = histogram();
        for micros in 1..=100 {
            latencies.saturating_record(micros * 1_000);
        }
        let mut report = Report(Vec::new());
        report.latency("latency", &latencies);
        let p50 = report.0[0].1.as_f64().unwrap();
        assert!((49.5..50.5).contains(&p50), "{p50}");
    }
}
