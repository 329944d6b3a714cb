//! Where local back ends keep their records: the numbers are the server's to give.

use store::Kind;

/// The kinds of record of local back ends. Each is for them alone, and for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// Tables, by name.
    pub table: Kind,
    /// Items, by (table, partition key, sort key).
    pub item: Kind,
    /// Streams, by (tenant, service, name) (global).
    pub stream: Kind,
    /// Records of streams, by (service, name, offset of the first).
    pub block: Kind,
    /// How far webhooks have come, by topic.
    pub webhook: Kind,
}
