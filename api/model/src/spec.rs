//! The form of the generated tables.

use std::sync::OnceLock;

use regex::Regex;

/// Which service an operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is the service of its name")]
pub enum ServiceId {
    Iot,
    IotData,
    IotJobsData,
    Tunneling,
    Wireless,
    Greengrass,
    IotEvents,
    IotEventsData,
    Analytics,
    DeviceAdvisor,
}

impl ServiceId {
    /// How many services there are.
    pub const COUNT: usize = 10;

    /// The service's tables.
    pub fn service(self) -> &'static Service {
        crate::SERVICES[self as usize]
    }
}

/// How a service writes requests and responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Methods, paths and JSON bodies.
    RestJson,
    /// `POST /` with `X-Amz-Target`.
    Json11,
}

/// A service's tables.
#[derive(Debug)]
pub struct Service {
    /// Its number.
    pub id: ServiceId,
    /// The file's name in `models/`, which is also the service's name in the AWS CLI.
    pub model: &'static str,
    /// The service id, such as `IoT Data Plane`.
    pub name: &'static str,
    /// The first labels of its host, such as `data-ats.iot`.
    pub endpoint_prefix: &'static str,
    /// The service in a SigV4 scope.
    pub signing_name: &'static str,
    /// How it writes requests.
    pub protocol: Protocol,
    /// The part of `X-Amz-Target` before the dot, for `Json11`.
    pub target_prefix: &'static str,
    /// The member that carries an error's text: `message` or `Message`.
    pub message_member: &'static str,
    /// Its operations by name.
    pub operations: &'static [OperationSpec],
    /// Its shapes; a shape's id is its index.
    pub shapes: &'static [Shape],
    /// Its errors by name.
    pub errors: &'static [ErrorSpec],
}

impl Service {
    /// The shape with this id.
    pub fn shape(&self, id: u16) -> &'static Shape {
        &self.shapes[id as usize]
    }

    /// The HTTP status of a modelled error.
    pub fn error_status(&self, name: &str) -> Option<u16> {
        self.errors.iter().find(|e| e.name == name).map(|e| e.status)
    }
}

/// One operation.
#[derive(Debug)]
pub struct OperationSpec {
    /// Whose it is.
    pub service: ServiceId,
    /// `CreateThing`.
    pub name: &'static str,
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// The path as modelled, labels in braces.
    pub uri: &'static str,
    /// The path's segments.
    pub path: &'static [Segment],
    /// The status of success.
    pub status: u16,
    /// The input's shape.
    pub input: Option<u16>,
    /// The output's shape.
    pub output: Option<u16>,
    /// The errors that it may answer.
    pub errors: &'static [&'static str],
    /// Whether AWS advises against it.
    pub is_deprecated: bool,
    /// Whether the model lists it as paged.
    pub pages: bool,
}

/// One part of a path between slashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Itself.
    Literal(&'static str),
    /// Any one segment.
    Label(&'static str),
    /// All that is left, slashes included.
    Greedy(&'static str),
}

/// A shape and its constraints.
#[derive(Debug)]
pub struct Shape {
    /// As modelled.
    pub name: &'static str,
    /// Whether its value must not be shown.
    pub is_sensitive: bool,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of shape.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Named members; `payload` names the member that is the whole body.
    Structure {
        /// In the model's order.
        members: &'static [Member],
        /// The member that is the body itself.
        payload: Option<&'static str>,
    },
    /// A list.
    List {
        /// The members' shape.
        member: u16,
        /// How many.
        length: Length,
    },
    /// A map with text keys.
    Map {
        /// The keys' shape.
        key: u16,
        /// The values' shape.
        value: u16,
        /// How many entries.
        length: Length,
    },
    /// Text.
    String {
        /// In characters.
        length: Length,
        /// What it must match whole.
        pattern: Option<&'static Pattern>,
        /// The allowed values; empty if any.
        values: &'static [&'static str],
    },
    /// 32 bits.
    Integer(IntegerRange),
    /// 64 bits.
    Long(IntegerRange),
    /// A floating-point number of either width.
    Double(DoubleRange),
    /// True or false.
    Boolean,
    /// A point in time.
    Timestamp(TimestampForm),
    /// Bytes.
    Blob(Length),
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// As modelled; error messages name it.
    pub name: &'static str,
    /// Its key in the object that binding makes, and in JSON bodies.
    pub wire: &'static str,
    /// Where a request or response carries it.
    pub location: Location,
    /// Its shape.
    pub shape: u16,
    /// Whether it must be there.
    pub is_required: bool,
    /// Whether clients fill it with a random token.
    pub is_token: bool,
    /// Whether a header carries it as base64 of JSON.
    pub is_json: bool,
}

/// Where a member travels, with its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// In the body's object.
    Body,
    /// In the path.
    Label(&'static str),
    /// In the query.
    Query(&'static str),
    /// In a header, lower-case.
    Header(&'static str),
    /// It is the response's status.
    Status,
}

/// How a body carries a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampForm {
    /// Seconds since 1970, with a fraction.
    Epoch,
    /// RFC 3339 text.
    Iso8601,
}

/// Bounds of a length, both inclusive.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the fields say it")]
pub struct Length {
    pub min: Option<u64>,
    pub max: Option<u64>,
}

/// Bounds of a whole number, both inclusive.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the fields say it")]
pub struct IntegerRange {
    pub min: Option<i64>,
    pub max: Option<i64>,
}

/// Bounds of a number, both inclusive.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the fields say it")]
pub struct DoubleRange {
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// A pattern as the model writes it, compiled when it is first used.
#[derive(Debug)]
pub struct Pattern {
    /// For messages.
    pub shown: &'static str,
    /// As the `regex` crate understands it, anchored at both ends.
    pub regex: &'static str,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    pub(crate) const fn new(shown: &'static str, regex: &'static str) -> Self {
        Self { shown, regex, compiled: OnceLock::new() }
    }

    /// Whether the whole of `text` matches.
    pub fn is_match(&self, text: &str) -> bool {
        let compile = || Regex::new(self.regex).expect("a test compiles every pattern");
        self.compiled.get_or_init(compile).is_match(text)
    }
}

/// An error's name and status.
#[derive(Debug)]
pub struct ErrorSpec {
    /// `ResourceNotFoundException`.
    pub name: &'static str,
    /// 404.
    pub status: u16,
}

/// What the marker type of an operation says.
pub trait Operation: Send + Sync + 'static {
    /// The request.
    type Input: serde::de::DeserializeOwned + Send;
    /// The response; `()` where the model has none.
    type Output: serde::Serialize + Send;
    /// The operation's table row.
    const SPEC: &'static OperationSpec;
}
