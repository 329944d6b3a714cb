//! Who was promised which message, and who got it: what a broker acknowledged must arrive.
//!
//! A message is a publisher's number and its own, counted from 1. What arrives twice is counted;
//! MQTT allows it at QoS 1.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;

use anyhow::{Context, Result};

/// How many lost messages a verdict names.
const LOSSES_NAMED: usize = 10;

/// Everything that was acknowledged and received in a run.
pub(crate) struct Ledger {
    acknowledged: Vec<Numbers>,
    receivers: Vec<Receiver>,
    duplicates: u64,
    file: Option<BufWriter<File>>,
    write_error: Option<io::Error>,
}

/// What became of what was acknowledged.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Messages that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Deliveries that were owed for them and never made.
    pub(crate) lost: u64,
    /// Deliveries beyond the first.
    pub(crate) duplicates: u64,
    /// The first of the lost.
    pub(crate) losses: Vec<Loss>,
}

/// An acknowledged message that a subscriber never got.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    publisher: u32,
    seq: u32,
    subscriber: usize,
}

struct Receiver {
    hears: Range<u32>,
    received: Vec<Numbers>,
}

/// A set of small numbers.
#[derive(Clone, Default)]
struct Numbers(Vec<u64>);

impl Ledger {
    /// An empty ledger for so many publishers, and for subscribers that hear these of them.
    pub(crate) fn new(publishers: usize, hears: impl IntoIterator<Item = Range<u32>>) -> Self {
        let receiver =
            |hears: Range<u32>| Receiver { received: vec![Numbers::default(); hears.len()], hears };
        Self {
            acknowledged: vec![Numbers::default(); publishers],
            receivers: hears.into_iter().map(receiver).collect(),
            duplicates: 0,
            file: None,
            write_error: None,
        }
    }

    /// Writes a line to this file for each entry from now on.
    pub(crate) fn write_to(&mut self, path: &str) -> Result<()> {
        let file = File::create(path).with_context(|| format!("could not create {path}"))?;
        self.file = Some(BufWriter::new(file));
        Ok(())
    }

    /// Enters that the broker acknowledged a message.
    pub(crate) fn acknowledge(&mut self, publisher: u32, seq: u32) {
        self.acknowledged[publisher as usize].insert(seq);
        self.write(format_args!("acknowledged p{publisher} {seq}\n"));
    }

    /// Enters that a subscriber got a message; false if it has it already.
    pub(crate) fn receive(&mut self, subscriber: usize, publisher: u32, seq: u32) -> bool {
        self.write(format_args!("received s{subscriber} p{publisher} {seq}\n"));
        let receiver = &mut self.receivers[subscriber];
        let is_new = receiver.hears.contains(&publisher)
            && receiver.received[(publisher - receiver.hears.start) as usize].insert(seq);
        self.duplicates += u64::from(!is_new);
        is_new
    }

    /// Holds what was received against what was acknowledged.
    pub(crate) fn verdict(&self) -> Verdict {
        let mut verdict = Verdict { duplicates: self.duplicates, ..Verdict::default() };
        for (publisher, acknowledged) in (0..).zip(&self.acknowledged) {
            verdict.acknowledged += acknowledged.len();
            for (subscriber, receiver) in self.receivers.iter().enumerate() {
                let Some(received) = receiver.of(publisher) else { continue };
                for seq in acknowledged.without(received) {
                    verdict.lose(Loss { publisher, seq, subscriber });
                }
            }
        }
        verdict
    }

    /// Writes the verdict and what is still buffered; an error if the file is not whole.
    pub(crate) fn finish(&mut self, verdict: &Verdict) -> Result<()> {
        self.write(format_args!("{verdict}\n"));
        self.flush();
        match self.write_error.take() {
            Some(error) => Err(error).context("could not write the ledger"),
            None => Ok(()),
        }
    }

    /// Writes what is buffered.
    pub(crate) fn flush(&mut self) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.flush()
        {
            self.write_error.get_or_insert(error);
        }
    }

    fn write(&mut self, line: fmt::Arguments<'_>) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.write_fmt(line)
        {
            self.write_error.get_or_insert(error);
        }
    }
}

impl Verdict {
    fn lose(&mut self, loss: Loss) {
        self.lost += 1;
        if self.losses.len() < LOSSES_NAMED {
            self.losses.push(loss);
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, lost, duplicates, losses } = self;
        write!(f, "verdict: {acknowledged} acknowledged, {lost} lost, {duplicates} duplicates")?;
        losses.iter().try_for_each(|loss| write!(f, "; {loss}"))
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{} {} is not at s{}", self.publisher, self.seq, self.subscriber)
    }
}

impl Receiver {
    fn of(&self, publisher: u32) -> Option<&Numbers> {
        self.received.get(publisher.checked_sub(self.hears.start)? as usize)
    }
}

impl Numbers {
    /// Adds a number; false if it is there.
    fn insert(&mut self, number: u32) -> bool {
        let (word, bit) = (number as usize / 64, 1 << (number % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// The numbers that are not in `other`, in order.
    fn without(&self, other: &Self) -> impl Iterator<Item = u32> {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        (0..).zip(self.0.iter().zip(others)).flat_map(|(word, (mine, others)): (u32, _)| {
            let left = mine & !others;
            (0..64).filter(move |bit| left & (1 << bit) != 0).map(move |bit| word * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two publishers; the first is heard by both subscribers, the second by the last.
    fn ledger() -> Ledger {
        Ledger::new(2, [0..1, 0..2])
    }

    #[test]
    fn an_acknowledged_message_that_did_not_arrive_is_found() {
        let mut ledger = ledger();
        for seq in 1..=200 {
            ledger.acknowledge(0, seq);
            ledger.receive(0, 0, seq);
            if seq != 129 {
                ledger.receive(1, 0, seq);
            }
        }
        let loss = Loss { publisher: 0, seq: 129, subscriber: 1 };
        let expected = Verdict { acknowledged: 200, lost: 1, duplicates: 0, losses: vec![loss] };
        assert_eq!(ledger.verdict(), expected);
        let text = "verdict: 200 acknowledged, 1 lost, 0 duplicates; p0 129 is not at s1";
        assert_eq!(expected.to_string(), text);
    }

    #[test]
    fn what_nobody_was_promised_is_not_lost() {
        let mut ledger = ledger();
        assert!(ledger.receive(1, 1, 3), "arrived, though it was never acknowledged");
        ledger.acknowledge(1, 4);
        assert!(ledger.receive(1, 1, 4));
        let expected = Verdict { acknowledged: 1, ..Verdict::default() };
        assert_eq!(ledger.verdict(), expected);
    }

    #[test]
    fn what_arrives_twice_is_counted() {
        let mut ledger = ledger();
        ledger.acknowledge(0, 1);
        assert!(ledger.receive(0, 0, 1));
        assert!(ledger.receive(1, 0, 1));
        assert!(!ledger.receive(1, 0, 1));
        assert_eq!(
            ledger.verdict(),
            Verdict { acknowledged: 1, duplicates: 1, ..Verdict::default() }
        );
    }

    #[test]
    fn a_verdict_counts_all_losses_and_names_the_first() {
        let mut ledger = ledger();
        (1..=100).for_each(|seq| ledger.acknowledge(1, seq));
        let verdict = ledger.verdict();
        assert_eq!((verdict.lost, verdict.losses.len()), (100, LOSSES_NAMED));
        assert_eq!(verdict.losses[0], Loss { publisher: 1, seq: 1, subscriber: 1 });
    }

    #[test]
    fn a_ledger_on_disk_has_every_entry_and_the_verdict() {
        let path = std::env::temp_dir().join(format!("mqload-ledger-{}", std::process::id()));
        let mut ledger = ledger();
        ledger.write_to(path.to_str().unwrap()).unwrap();
        ledger.acknowledge(0, 1);
        ledger.receive(1, 0, 1);
        let verdict = ledger.verdict();
        ledger.finish(&verdict).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let expected = "acknowledged p0 1\nreceived s1 p0 1\n\
                        verdict: 1 acknowledged, 1 lost, 0 duplicates; p0 1 is not at s0\n";
        assert_eq!(text, expected);
    }
}
