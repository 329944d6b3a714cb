//! What a statement is evaluated for, and what it may ask for beyond that.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::Version;
use crate::json::Text;
use crate::value::Value;

/// A message that came to the rules engine.
#[derive(Clone, Copy, Debug)]
pub struct Message<'m> {
    /// What was published.
    pub payload: &'m Payload<'m>,
    /// Where; for Basic Ingest without `$aws/rules/` and the rule's name.
    pub topic: &'m str,
    /// Who published it, over MQTT.
    pub client_id: Option<&'m str>,
    /// What rules call whoever it was.
    pub principal: Option<&'m str>,
    /// Where it came from.
    pub source_ip: Option<IpAddr>,
    /// Whose topic it is: 12 digits.
    pub account: &'m str,
    /// What all log entries of the message have in common; not there if it came otherwise than over
    /// MQTT.
    pub trace_id: Option<&'m str>,
    /// Milliseconds since 1970 when the engine evaluates it.
    pub now_ms: i64,
    /// What MQTT 5 says of it.
    pub properties: Properties<'m>,
    /// Makes this evaluation's `rand()` and `newuuid()`: the same seed, the same values.
    pub seed: [u8; 16],
}

/// What MQTT 5 says of a message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Properties<'m> {
    /// Payload Format Indicator.
    pub payload_is_utf8: bool,
    /// Content Type.
    pub content_type: Option<&'m str>,
    /// Response Topic.
    pub response_topic: Option<&'m str>,
    /// Correlation Data.
    pub correlation_data: Option<&'m [u8]>,
    /// User properties, in order.
    pub user: &'m [(&'m str, &'m str)],
}

/// What was published, checked once for all rules that hear it.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'m> {
    bytes: &'m [u8],
    json: Option<Text<'m>>,
}

impl<'m> Payload<'m> {
    /// Sees what `bytes` are. JSON of more than 128 levels counts as none.
    #[must_use]
    pub fn read(bytes: &'m [u8]) -> Self {
        Self { bytes, json: std::str::from_utf8(bytes).ok().and_then(Text::check) }
    }

    /// As published.
    #[must_use]
    pub fn bytes(&self) -> &'m [u8] {
        self.bytes
    }

    /// Whether it is JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json.is_some()
    }

    /// What it says, if it is JSON; decimals as they were written.
    #[must_use]
    pub fn value(&self) -> Option<Value<'m>> {
        self.json.map(|json| json.value(Version::V2015))
    }

    pub(crate) fn json(&self) -> Option<Text<'m>> {
        self.json
    }
}

/// Something outside that a statement asks for. Two that are equal have one answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// `aws_lambda`: the answer is the function's.
    Lambda {
        /// The function's ARN.
        function: String,
        /// JSON, or the message as it came.
        payload: Vec<u8>,
    },
    /// `get_dynamodb`: the answer is the item as JSON, or `null`.
    DynamoDb {
        /// The table.
        table: String,
        /// Names and values of the partition key and, if there is one, the sort key. A value is JSON:
        /// a text or a number.
        keys: Vec<(String, String)>,
        /// Who asks.
        role: String,
    },
    /// `get_thing_shadow`: the answer is the shadow.
    ThingShadow {
        /// The thing.
        thing: String,
        /// The shadow's name, unless it is the classic one.
        shadow: Option<String>,
        /// Who asks.
        role: String,
    },
    /// `get_registry_data`: the answer is that of the operation.
    RegistryData {
        /// `DescribeThing` or `ListThingGroupsForThing`.
        operation: String,
        /// The thing.
        thing: String,
        /// Who asks.
        role: String,
    },
    /// `get_secret`: the answer is JSON with `SecretString` or `SecretBinary` in base64.
    Secret {
        /// The secret's name or ARN.
        id: String,
        /// Who asks.
        role: String,
    },
    /// `machinelearning_predict`: the answer is the prediction.
    Prediction {
        /// The model.
        model: String,
        /// Who asks.
        role: String,
        /// A JSON object of texts.
        record: String,
    },
    /// `decode(…, 'proto', …)`: the answer is the object's bytes, a set of file descriptors.
    Descriptor {
        /// Where it lies.
        bucket: String,
        /// What it is called.
        key: String,
    },
}

/// Answers to [`Request`]s; none to one that failed, with the reason.
pub type Answers = HashMap<Request, Result<Vec<u8>, String>>;

/// Why a statement or a template has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Something from outside is needed: ask for it, and evaluate anew with the answer.
    Wanted(Box<Request>),
    /// A function failed: no action runs.
    Failed {
        /// The function.
        function: &'static str,
        /// Why.
        reason: String,
    },
    /// Fields are asked for, and the payload is not JSON.
    NotJson,
    /// Variables, what a function makes, or all that there is to do, are more than a rule may have.
    TooLarge {
        /// What is too large.
        what: &'static str,
    },
}
